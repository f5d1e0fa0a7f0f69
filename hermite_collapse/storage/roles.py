"""What the names of a table's columns mean: rounds, values of a kind, their errors, and the rest.

round            round, generation, gen, iteration, epoch, step, ...
factor           degree 4, mode 4, factor 4, share 4, f_4, f4
variance         variance, var 3, eigenvalue 2, direction 7, power
deviation        standard deviation, std 3, sd (without a value column of which it could be the error)
distance         fid, kid, w2, distance, recall, precision, ..., as `metric_names` knows them
value            value, mean: of a kind that is not said
error            error, err, se, sem, stderr, std, sd, uncertainty, ±, +- before or after the name of a column,
                 or alone to the right of it
name             degree, direction, metric, curve, ... without a number: the curve of each row
run              seed, run, repetition: averaged, with the standard error of the mean
runs             runs, seeds, num seeds: of how many runs each value is the mean
count            n, count, sample size: of runs or of samples, which `run_counts` decides
samples          samples, images, num images: left out
time             truncation time, t0: of each round
ignore           wall time, timestamp, date; NAME__MIN and NAME__MAX beside NAME, as logs of training runs have them

German and French words for these, with or without accents, are known too.  Where a name says nothing, so may its end
after a bar or slash ("run 1 - eval/fid"), or what is left of it without units in brackets, arrows and powers of ten.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from ..core import checks
from ..core.errors import InputError
from .metric_names import best_of, is_metric, is_squared_metric

ROUND, FACTOR, VARIANCE, DEVIATION, DISTANCE = "round", "factor", "variance", "deviation", "distance"
VALUE, ERROR, NAME, RUN, RUNS, TIME, IGNORE = "value", "error", "name", "run", "runs", "time", "ignore"
COUNT, SAMPLES = "count", "samples"
"""Of names alone: who says what a column is, says what it counts."""
ROLES = (ROUND, FACTOR, VARIANCE, DEVIATION, DISTANCE, VALUE, ERROR, NAME, RUN, RUNS, TIME, IGNORE)
RUN_NUMBERS, AVERAGED, ONE_RUN = "number of runs", "run, averaged", "run, one in every round"
"""What columns that say runs were used as."""
VALUES = (FACTOR, VARIANCE, DEVIATION, DISTANCE, VALUE)
KIND_OF_ROLE = {FACTOR: "factors", VARIANCE: "variances", DEVIATION: "deviations", DISTANCE: "distances"}
UNDERSTOOD = (
    "round (generation, gen, iteration, epoch, step), degree N, variance, standard deviation, distance (fid, kid, w2, "
    "recall, ...), value, each with error (std, sem, se, stderr, ±), seed, runs (num seeds), n, count, samples, "
    "truncation time, and for long tables degree, direction, metric or curve"
)

_ROUNDS = (
    "round|rounds|generation|generations|gen|iteration|iterations|iter|epoch|step|training round|model|checkpoint|"
    "ckpt|cycle|loop|i|runde|schritt|epoche|tour|epoque|etape"
)
_RUNS = "seed|run|repetition|repeat|replicate|trial"
MANY_RUNS = "(?:runs|seeds|repetitions|repeats|replicates|replicas|reps|trials|laufe|wiederholungen|essais)"
_NUMBER_OF = r"(?:(?:num|number|numbers|no|nr|n|#|count|anzahl|nombre)(?: of| de)? ?)"
_COUNTS = rf"{_NUMBER_OF}?{MANY_RUNS}|(?:num|number of|n) ?(?:{_RUNS})|(?:{_RUNS}) count"
_UNSAID_COUNTS = "n|count|counts|anzahl|nombre|sample size|n ?obs|num obs|observations"
_OVER_RUNS = re.compile(
    rf"(?<=[a-z.]) (?:over|of|across|from) \d+(?:[ -][a-z]+)?(?:[ -]{MANY_RUNS})?(?=\s*[)\]])", re.IGNORECASE
)
"""In "FID (mean over 5 seeds), FID (std over 5 seeds)", whose roles are those of "FID (mean), FID (std)"."""
_OF_SAMPLES = "(?:generated|gen|real|fake|synthetic|reference|ref|training|train|test|val|validation|eval)"
_SAMPLES = (
    rf"{_NUMBER_OF}?(?:{_OF_SAMPLES} )?"
    "(?:samples|images|imgs|pictures|points|particles|draws|examples|bilder|stichproben|echantillons)|"
    rf"(?:{_OF_SAMPLES} )?(?:sample|image|img) (?:count|number)|n ?{_OF_SAMPLES}|"
    rf"(?:{_OF_SAMPLES}|batch|data ?set|training set|train set) size"
)
_COUNTED = {RUNS: _COUNTS, COUNT: _UNSAID_COUNTS, SAMPLES: _SAMPLES}
_TIMES = "truncation time|truncation times|truncation|t0|stopping time"
_NAMES = "degree|mode|direction|component|metric|measure|curve|series|quantity|name|variable|column"
_FACTORS = "degree|mode|factor|share|f|hermite degree"
_VARIANCES = (
    r"variance|variances|var|sigma\^2|eigenvalue|lambda|direction|component|pc|power|second moment|"
    "varianz|richtung"
)
_DEVIATIONS = "standard deviation|std dev|stddev|stdev|deviation|std|sd|sigma|standardabweichung|ecart type"
_IGNORED = "wall time|timestamp|date|relative time|runtime|datum|total time|total time str|num gpus"
_VALUES = "value|values|mean|average|y|score|result|factor|share|wert|mittelwert|valeur|moyenne"
_ERRORS = (
    "standard error|std error|std err|stderr|error|err|sem|se|std dev|stddev|stdev|std|sd|sigma|uncertainty|±|"
    "standardfehler|fehler|standardabweichung|unsicherheit|erreur type|erreur|ecart type|incertitude|"
    r"(?:\d\d ?)?ci(?: ?\d\d)?"
)


POWER = r"[x×*·] ?(?:10 ?\^? ?-?\d+|1e-?\d+)"
"""As in "KID x 10^3": nothing for a distance, whose unit says nothing, and unclear for all else."""
_FACTOR = (
    r"%|per ?cent|‰|per ?mill?e?|ppm|milli|thousandths|1e[+−-]?\d+|10(?:\^|\*\*)\{?[+−-]?\d+\}?|10[+−-]\d+"
)
"""As `name_factors` reads it in brackets."""
_SIGNS = {"+/-": "±", "+-": "±", "α": "alpha", "λ": "lambda", "σ": "sigma"}


class Role(NamedTuple):
    """The role of one column.

    Attributes
    ----------
    role : str
    number : int or None
        Degree of a factor, number of a direction.
    of : str
        Name of the column that a column of errors belongs to, as in the table; "" where it stands alone.
    """

    role: str
    number: int | None = None
    of: str = ""


def plain_name(name: str, *, with_counts: bool = False) -> str:
    """Return a name in lower case, without quotes, units, brackets, other marks, and numbers of samples as in 50k."""
    text = unicodedata.normalize("NFKD", name.strip().strip("\"'").replace("²", "^2").casefold())
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    text = re.sub(POWER, " ", text)
    text = re.sub(rf"[(\[{{]\s*(?:in )?(?:{_FACTOR})\s*[)\]}}]|%", " ", text)
    text = re.sub(r"\b([a-z])\.([a-z])\b", r"\1\2", text)  # s.e.
    text = re.sub(r"[_.,:;#()\[\]{}/]+|(?<=\w)-(?=\w)", " ", text)
    text = re.sub(r"\s+", " ", text.replace("±", " ± "))
    return (text if with_counts else re.sub(r"(?<=[a-z]) ?@? ?\d+k\b", "", text)).strip()  # FID-50k


def is_squared(name: str) -> bool:
    """Return whether a name is of a distance that grows with the square of a deviation, such as FID."""
    return is_squared_metric(_telling_part(name, plain_name(name)))


def round_in_name(name: str) -> str | None:
    """Return the number in a name such as "gen 3", None for other names."""
    match = re.fullmatch(rf"(?:{_ROUNDS}) ?(\d+)", plain_name(name))
    return match.group(1) if match else None


def is_percent(name: str) -> bool:
    """Return whether a name says that its numbers are per cent; "95 %" is the level of an interval, or a share."""
    bare = re.sub(
        r"(?<![\d.,])[5-9]\d(?:[.,]\d+)? ?(?:%|per ?cent)|(?<=[(\[])[\d.,]+ ?%", " ", name.casefold()
    )
    return "%" in bare or "percent" in bare or "per cent" in bare


def roles_of(names: tuple[str, ...], asked: dict[str, str], argument: str) -> list[Role]:
    """Return the role of every column.

    Parameters
    ----------
    names : tuple of str
    asked : dict of str to str
        Name -> role, by the user; "error of NAME" for errors, "degree N" for factors.
    argument : str
        What the table is called in a refusal.
    """
    by_file, names = names, tuple(_OVER_RUNS.sub("", name) for name in names)
    plain = [plain_name(name) for name in names]
    plain = [_telling_part(name, p) for name, p in zip(names, plain, strict=True)]
    plain = [  # fid10k and fid50k are two
        _telling_part(name, plain_name(name, with_counts=True)) if plain.count(p) > 1 else p
        for name, p in zip(names, plain, strict=True)
    ]
    # "fid mean, fid std" are a column and its error.
    plain = [base if (base := re.sub(r" (mean|avg|average)$", "", p)) not in plain else p for p in plain]
    plain = [_without_brackets(name, p, plain) for name, p in zip(names, plain, strict=True)]
    names = by_file
    alone = {p for p in plain if re.fullmatch(_ERRORS, p)}
    twice = [
        (n.strip(), p) for n, p in zip(names, plain, strict=True) if plain.count(p) > 1 and p not in alone
    ]
    if twice:
        alike = [repr(name) for name, own in twice if own == twice[0][1]]
        repeated = (
            f"{alike[0]} more than once" if len(set(alike)) == 1 else f"{' and '.join(alike)}, which are both"
        )
        words = "" if len(set(alike)) == 1 else f" {twice[0][1]!r}"
        raise InputError(
            f"{argument} must have one column of each name, got {repeated}{words}: leave out with --columns "
            "NAME=ignore."
        )
    by_name = dict(zip(names, plain, strict=True))
    wanted = {by_name.get(name, _telling_part(name, plain_name(name))): role for name, role in asked.items()}
    for name in wanted:
        if name not in plain:
            raise InputError(f"columns must name columns of the table, {_listed(names)}, got {name!r}.")
    roles = [_asked_role(wanted[p], names, plain) if p in wanted else _own_role(p, plain) for p in plain]
    for name, p, role in zip(names, plain, roles, strict=True):
        if role is None and best_of(p) is not None:
            raise InputError(
                f"{argument} must have columns with the values of each round, got {name.strip()!r}, the best so far: "
                f"leave it out with --columns '{name.strip()}=ignore'."
            )
    unknown = [name for name, role in zip(names, roles, strict=True) if role is None]
    if unknown:
        raise InputError(
            f"{argument} must have columns that are understood, {UNDERSTOOD}, got {_listed(unknown)}: say what it is "
            f"with --columns '{unknown[0].strip() or 'NAME'}=ROLE', or leave it out with =ignore."
        )
    return _placed([role for role in roles if role is not None], names, plain)


def role_of_name(name: str) -> Role | None:
    """Return the role that a name says by itself, None where it says none."""
    return _own_role(plain_name(name), [])


def _telling_part(name: str, plain: str) -> str:
    """Return the plain name, or a part of it where that says a role and the whole does not."""
    if (_own_role(plain, []) is not None or re.fullmatch(_ERRORS, plain)) and not _is_in_log(name):
        return plain
    if re.fullmatch(rf".+ (?:mean|avg|average|{_ERRORS})", plain):
        return plain
    bare = re.sub(r"[(\[][^)\]]*[)\]]|[↓↑↗↘]", " ", name)
    for part in (bare, re.split(r" - ", bare)[-1], re.split(r" - |(?<!\d)/", bare)[-1]):
        short = plain_name(part)
        if _own_role(re.sub(r" (?:min|max)$", "", short), []) is not None and not _is_in_log(part):
            return short
        if any(re.fullmatch(pattern, short) for pattern in (rf".+ (?:{_ERRORS})", rf"(?:{_ERRORS}) .+")):
            return short
    return plain


def _without_brackets(name: str, plain: str, others: list[str]) -> str:
    """Return what a name says without its brackets, where it says nothing with them: "variance (mean ± std)"."""
    bare = plain_name(re.sub(r"[(\[{].*", " ", name))
    if bare == plain or _own_role(plain, others) is not None or not re.search(r"[(\[{]", name):
        return plain
    is_value = bare not in others and _own_role(bare, []) is not None
    return bare if is_value or re.fullmatch(_ERRORS, bare) else plain


def _is_in_log(name: str) -> bool:
    """Return whether a metric's name begins with its place in a log: train/fid and eval/fid are one metric."""
    parts = re.split(r" - |(?<!\d)/", re.sub(r"_+(?:MIN|MAX)$", "", name.strip()))
    return len(parts) > 1 and is_metric(plain_name(parts[-1])) and is_metric(plain_name(" ".join(parts[-2:])))


def _own_role(name: str, plain: list[str]) -> Role | None:
    """Return the role that a name says by itself."""
    if re.fullmatch(_IGNORED, name) or (re.search(r" (?:min|max)$", name) and name[:-4] in plain):
        return Role(IGNORE)
    if best_of(name) in plain:
        return Role(IGNORE)
    if re.fullmatch(_ROUNDS, name):
        return Role(ROUND)
    if re.fullmatch(_RUNS, name):
        return Role(RUN)
    for role, words in _COUNTED.items():
        if re.fullmatch(words, name):
            return Role(role)
        if (match := re.fullmatch(rf"(.+?) (?:{words})", name)) and match[1] in plain:
            return Role(role, of=match[1])
    if re.fullmatch(_TIMES, name):
        return Role(TIME)
    if re.fullmatch(_VALUES, name):
        return Role(VALUE)
    base = _without_error(name, plain)
    if base is not None:
        return Role(ERROR, of=base)
    is_f_score = re.fullmatch(r"f ?1", name) and any(re.search("precision|recall", p) for p in plain)
    if is_f_score or is_metric(re.sub(r" (?:degree|mode|direction|component|pc) ?\d*$", "", name)):
        return Role(DISTANCE)
    kinds = {FACTOR: _FACTORS, VARIANCE: _VARIANCES, DEVIATION: _DEVIATIONS}
    for role, words in kinds.items():
        match = re.fullmatch(
            rf"(?:mean )?(?:{words})(?: score)?(?: of)?(?: (?:degree|mode|direction|component|pc))? ?(\d+)?",
            name,
        )
        if match and (match.group(1) is not None or role != FACTOR):
            if role == VARIANCE and match.group(1) is None and re.fullmatch(_NAMES, name):
                return Role(NAME)
            return Role(role, int(match.group(1)) if match.group(1) else None)
    return Role(NAME) if re.fullmatch(_NAMES, name) else None


def _without_error(name: str, plain: list[str]) -> str | None:
    """Return the column whose error a name says, "" for one that stands alone, None for no error."""
    for pattern in (rf"(.+?) ?(?:{_ERRORS})", rf"(?:{_ERRORS}) ?(?:of )?(.+)"):
        match = re.fullmatch(pattern, name)
        if match and match.group(1).strip() in plain:
            return match.group(1).strip()
    if re.fullmatch(_ERRORS, name):
        return ""
    # "std 3" beside "variance 3"
    match = re.fullmatch(rf"(?:{_ERRORS}) ?(\d+)", name)
    if match:
        mates = [p for p in plain if p != name and re.fullmatch(rf"\D+ ?{match.group(1)}", p)]
        values = [p for p in mates if not re.fullmatch(rf"(?:{_ERRORS}) ?\d+", p)]
        if len(values) == 1:
            return values[0]
    return None


def _asked_role(text: str, names: tuple[str, ...], plain: list[str]) -> Role:
    """Return the role that a user gave a column."""
    words = plain_name(text)
    match = re.fullmatch(rf"(?:{FACTOR}|degree|mode) ?(\d+)", words)
    if match:
        return Role(FACTOR, int(match.group(1)))
    match = re.fullmatch(r"(?:error|standard error)(?: of)? (.+)", words)
    if match:
        if match.group(1) not in plain:
            raise InputError(
                f"columns must name the column of an error, one of {_listed(names)}, got {text!r}."
            )
        return Role(ERROR, of=match.group(1))
    number = re.search(r" (\d+)$", words)
    word = re.sub(r" \d+$", "", words)
    return Role(
        checks.one_of({"standard deviation": DEVIATION}.get(word, word), ROLES, "the role of a column"),
        int(number.group(1)) if number else None,
    )


def _placed(roles: list[Role], names: tuple[str, ...], plain: list[str]) -> list[Role]:
    """Give errors that stand alone to the value on their left, or read them as standard deviations."""
    placed = list(roles)
    by_plain = dict(zip(plain, names, strict=True))
    taken = {role.of for role in roles if role.role == ERROR}
    for k, role in enumerate(roles):
        if role.role in _COUNTED and role.of:
            placed[k] = role._replace(of=by_plain[role.of])
        if role.role != ERROR:
            continue
        if role.of:
            placed[k] = role._replace(of=by_plain[role.of])
            continue
        left = next((j for j in range(k - 1, -1, -1) if placed[j].role in VALUES), None)
        if left is not None and plain[left] not in taken:
            placed[k] = role._replace(of=names[left])
            taken.add(plain[left])
        elif re.fullmatch(_DEVIATIONS, plain[k]):
            placed[k] = Role(DEVIATION)
        elif len(values := [j for j, one in enumerate(roles) if one.role in VALUES]) == 1:
            placed[k] = role._replace(of=names[values[0]])
    return placed


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(repr(name.strip()) for name in names)
