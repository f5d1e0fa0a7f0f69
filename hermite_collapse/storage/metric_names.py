"""Names of distances and scores, as papers and training repositories write them.

    fid50k_full, clean-fid, sFID, FD_DINOv2, kid50k_full, cmmd, fvd      grow with the square of a deviation
    w2, recall, pr50k3_full_precision, is50k, mauve, clip_score          grow with a deviation

Which network saw the images, which images were compared, how many, and whose program it was says nothing of that: such
words are left out.  The best value so far is not the value of its round.
"""

from __future__ import annotations

import re

_SQUARED = (
    r"(?:clean ?|s ?|spatial |r|g|mi|intra |inter |legacy )?fid|fdd|fjd|frechet|"
    r"(?:frechet|kernel)(?: inception| dino| video| audio| joint)? distance|"
    "fd|fvd|fad|kid|kd|kvd|cmmd|jsd|js divergence|jensen shannon(?: divergence)?|"
    r"(?:reverse |forward )?(?:kl|kl div|kl divergence|kld)|energy distance|"
    r"chi ?\^?2|chi squared?|mmd ?\^?2|squared (?:mmd|distance)"
)
_SQUARED_IF_ASKED = r"w2 ?\^?2|squared .+|.+ squared"
"""These say nothing by themselves; asked to be distances they grow with the square of a deviation."""
_FIRST_ORDER = (
    r"mmd|maximum mean discrepancy|distance|(?:sliced )?wasserstein(?: distance)?|wasserstein ?[12]|w ?[12]|swd|sw2|"
    "sliced w2|emd|earth movers? distance|tv|tvd|total variation(?: distance)?|tv distance|hellinger|"
    "hellinger distance|distance (?:to|from) .+|abstand|"
    "precision|prec|recall|rec|rappel|density|coverage|mode coverage|f score|f ?1 score|"
    "inception|is|isc|accuracy|acc|perplexity|ppl2?|perceptual path length|nll|bpd|bits per dim(?:ension)?|"
    r"bits dim|lpips|ms ssim|vendi|diversity|mauve|self bleu|distinct \d|clip score|clipscore"
)
_BEST = "best|lowest|highest|min|max|minimum|maximum"
_SAMPLES = r"@? ?\d+k|@? ?\d{3,}|@ ?\d+"
_DECORATIONS = (
    # Which network saw the images, and which program compared them.
    "clip|dino|dinov2|vit|swav|inception|inception ?v3|eff|torch fidelity|stylegan|clean|legacy|improved|prdc|alpha|"
    "beta|rbf|pr|"
    # Which images.
    r"train|training|test|val|valid|validation|eval|real|vs|to|ema|[zw]?full|[zw]?end|k ?=? ?\d+|"
    # How many.
    rf"inf|infinity|∞|{_SAMPLES}|"
    # Where a log keeps it, and that it is a number.
    "metrics?|results?|score|scores|value|mean|avg|average|of"
)


def is_metric(plain: str) -> bool:
    """Return whether a plain name is of a distance or a score."""
    return _base(plain, rf"{_SQUARED}|{_FIRST_ORDER}") is not None


def is_squared_metric(plain: str) -> bool:
    """Return whether a plain name is of a distance that grows with the square of a deviation."""
    return _base(plain, rf"{_SQUARED}|{_SQUARED_IF_ASKED}") is not None


def best_of(plain: str) -> str | None:
    """Return the metric whose best value so far a plain name is of, None for other names."""
    bare = re.sub(rf"^(?:{_BEST}) | (?:{_BEST})(?: so far)?$", "", plain)
    return bare if bare != plain and is_metric(bare) else None


def _base(plain: str, metrics: str) -> str | None:
    """Return the metric that is left of a plain name without its decorations; None where none is."""
    name = re.sub(r"^pr\d+k\d (?:full )?(?=precision|recall)", "", plain)
    match = re.fullmatch(
        rf"(?:(?:{_DECORATIONS}|seed \d+) )*?({metrics})(?: ?(?:{_DECORATIONS}|seed \d+|\d+))*", name
    )
    return match.group(1) if match else None
