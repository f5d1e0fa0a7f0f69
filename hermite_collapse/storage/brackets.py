"""What stands in brackets in the names of columns, and what of it leaves the numbers as they are.

variance (8 bit)            -> "8 bit"
FID (mean ± 2 se, n = 10)   -> "mean", "2 se", "n = 10"
variance [-1, 1]            -> "-1..1"
Var(x), se(fid)             an argument: nothing, or the name of another column

Every part is a factor or a unit (`name_factors`), a form of errors (`error_forms`), or known here to change nothing;
what is none of these is refused, since it may be something that changes the numbers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ..core.errors import InputError
from .metric_names import is_metric
from .roles import DEVIATION, DISTANCE, ERROR, FACTOR, ROUND, TIME, VALUE, VALUES, VARIANCE, Role, plain_name

DATA = r"(?:the )?(?:data|real|reference|baseline|initial|original|first|(?:gen(?:eration)?|round) ?0)"
"""Names of what other numbers are relative to."""
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_ENDS = r"([+-]?\d+(?:\.\d+)?)\s*(?:,|;|\bto\b|\.\.+|…|–|—|(?<=\b0)-|(?<=\b0\.0)-)\s*([+-]?\d+(?:\.\d+)?)"
"""Of a range; a hyphen may be a minus in 10-3."""
_RANGE = re.compile(rf"[(\[{{]\s*(?:in |range |within )?\s*[\[(]?\s*{_ENDS}\s*[)\]}}]{{1,2}}")
_ARGUMENT = re.compile(r"[a-z](?:[_ ]?[\dnit])?")
"""As x, x_t or x1 in Var(x)."""
_NUMBER = r"[\d][\d ,.'’]*k?"
_MANY = r"(?:samples|images|imgs|draws|points|particles|seeds|runs|repetitions|repeats|replicates|trials)"
_SPECIES = r"(?:data|real|gen|generated|model|fake|synthetic|reference|train|training|test|p|q|x|y)"
_UNIT = (
    r"(?:px|pixels?|mm|cm|m|[uµμ]m|nm|s|ms|m?v|nats?|bits?|a\.?u\.?|arb\.? ?u(?:\.|nits?)?|units?|counts?|"
    r"gr[ae]y (?:levels|values)|intensity|uint8|uint16|\d+[ -]?bits?)(?: ?\^?\d)?"
)
_ANY = (
    r"-|#|no\.?|number|better|lower is better|higher is better|lower|higher|[↓↑↗↘]|"
    rf"(?:mean|average|avg\.?)(?: (?:over|of|across) (?:{_NUMBER} )?(?:{_MANY}|directions|pixels|channels))?|"
    rf"(?:n|#) ?[=:] ?{_NUMBER}(?: {_MANY})?|{_NUMBER} ?(?:generated |reference |real )?{_MANY}|"
    r"(?:alpha|α|fresh(?: fraction)?|seed|run|lr|cfg|guidance|steps?|epochs?|batch(?: size)?|t0) ?[=: ]? ?[\d.e+-]+ ?%?"
)
_DIRECTION = (
    r"(?:(?:\d+(?:st|nd|rd|th)|first|second|third|fourth|fifth|last|top|leading) )?(?:principal )?"
    r"(?:direction|component|pc|mode|eigenvalue|axis|coordinate|dimension|dim)(?: ?\d+)?|"
    r"(?:pixel|channel) ?\d+|\d{1,2}|[xyz]|per (?:pixel|direction|dimension|coordinate|channel)|"
    r"empirical|measured|estimated?|unbiased|sample|generated|generations?|test|val|validation|eval|held[ -]out|"
    r"-1\.\.\+?1|(?:diffusion|model) units|units of the (?:diffusion|model)|dimensionless|latents?|"
    r"latent (?:space|units)|hermite"
)
_FREE = (
    rf"%|per ?cent|{_UNIT}|{_SPECIES}(?: ?(?:,|vs\.?|to|and|\|+) ?{_SPECIES})*|relative|rel\.?|normali[sz]ed|fraction|"
    rf"share|{DATA} ?[=:] ?[\d.]+|(?:features?|pixel|latent|feature) ?(?:space)?|k ?[=:] ?\d+|[xyz]|"
    r"(?:x|vs\.?|to|over|by|per|of|relative to|[/÷×]) ?" + DATA
)
"""What changes the scale of a distance alone, which says nothing, or what is compared with what."""
_ROUNDS = (
    r"-|#|no\.?|number|no|index|count|k|thousands?|generations?|rounds?|epochs?|steps?|iterations?|of training|"
    rf"0 ?[=:] ?{_SPECIES}(?: {_MANY})?|{_SPECIES} ?[=:] ?0|from [01]|[nikt]"
)
_UNDERSTOOD = {
    ROUND: "'(#)' or '(0 = data)'",
    TIME: "a power of ten (1e-3)",
    ERROR: "'(2σ)', '(95 %)', '(k=2)', '(n=100)' after std, '(relative)', '(variance)', '(squared)' or a power of ten",
}
_OF_VALUES = (
    "a power of ten (1e-3), images' units (8 bit, 16 bit, 0..1, -1..1), counts (n=100) or '(mean ± 2 se)'"
)


def written_plainly(name: str) -> str:
    """Return a name in lower case with powers as "^2", without marks of LaTeX."""
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+", lambda match: "^" + match[0].translate(_SUPERSCRIPTS), name)
    text = unicodedata.normalize("NFKC", text).casefold().replace("−", "-").replace("**", "^")
    text = text.replace("\\sigma", "sigma").replace("σ", "sigma").replace("\\%", "%").replace("\\pm", "±")
    return re.sub(r"[$\\]", "", re.sub(r"([_^])\{\s*([^{}]*?)\s*\}", r"\1\2", text))


def bracketed(name: str) -> list[str]:
    """Return what stands in brackets in a name, part by part; brackets that nobody closed go to the end."""
    text = written_plainly(name)
    parts = [f"{match[1]}..{match[2]}" for match in _RANGE.finditer(text)]
    text = _RANGE.sub(" ", text)
    depth, start = 0, 0
    for i, letter in enumerate(f"{text}{')' * text.count('(')}"):
        if letter in "([{":
            depth, start = depth + 1, start if depth else i
        elif letter in ")]}" and depth:
            depth -= 1
            if not depth:
                inside = text[start + 1 : i].strip()
                if start and text[start - 1].isalnum() and _ARGUMENT.fullmatch(inside):
                    continue
                parts += re.split(r";|,(?!\d)|±|\+/-|\+-", inside)
    stripped = [re.sub(r"^(?:in|units? of)\s+", "", part.strip(" ()[]{}")) for part in parts]
    return [part for part in stripped if part]


def changes_nothing(part: str, role: str) -> bool:
    """Return whether what stands in brackets leaves numbers of a role as they are."""
    if role in (ROUND, TIME):
        return re.fullmatch(_ROUNDS if role == ROUND else r"-|diffusion time", part) is not None
    patterns = [_ANY]
    if role in (VARIANCE, DEVIATION, FACTOR):
        patterns.append(_DIRECTION)
    if role == FACTOR:
        patterns.append(
            rf"%|per ?cent|relative|normali[sz]ed|share|{DATA} ?[=:] ?1(?:\.0*)?|relative to {DATA}"
        )
    if role in (DISTANCE, VALUE):
        patterns += [_FREE, _DIRECTION]
    if any(re.fullmatch(pattern, part) for pattern in patterns):
        return True
    return role == DISTANCE and is_metric(f"fid {plain_name(part)}")


def refuse_unread(name: str, part: str, role: Role, argument: str) -> InputError:
    """Return the refusal of a name in whose brackets something stands that is not understood."""
    understood = _UNDERSTOOD.get(role.role, _OF_VALUES)
    what = {ERROR: f"error of {role.of.strip()}", FACTOR: f"degree {role.number}"}.get(role.role, role.role)
    return InputError(
        f"{argument} must have brackets that are understood in names, such as {understood}, got {part!r} in "
        f"{name.strip()!r}: convert the numbers, or say --columns '{name.strip()}={what}' if they need no conversion."
    )


def unread(parts: Sequence[str], role: str) -> str | None:
    """Return the first part that is not known to change nothing, None where there is none."""
    if role not in (*VALUES, ROUND, TIME):
        return None
    return next((part for part in parts if not changes_nothing(part, role)), None)
