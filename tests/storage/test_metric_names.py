"""Names of metrics as papers and training repositories write them, each in its role or refused."""

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.curves import read_curve
from hermite_collapse.storage.roles import is_squared, roles_of

SQUARED = [
    *("FID", "fid50k_full", "fid10k", "fid_5000", "FID@50k", "FID-50K (train)", "FID ↓", "fid_score_mean"),
    *(
        "sFID",
        "s-FID",
        "spatial FID",
        "clean-fid",
        "clean_fid",
        "cleanfid",
        "legacy_fid",
        "clip_fid",
        "FID-CLIP",
    ),
    *(
        "rFID",
        "gFID",
        "MiFID",
        "fid_test",
        "FID/val",
        "metrics/fid50k_full",
        "FID_vs_real",
        "FID_inf",
        "FID∞",
    ),
    *("FD_DINOv2", "fd_dinov2", "dino_fd", "FDD", "FVD", "FAD", "Fréchet Inception Distance"),
    *(
        "frechet_inception_distance",
        "kid50k_full",
        "KID x 10^3",
        "KD_DINOv2",
        "kernel_inception_distance_mean",
    ),
    *("CMMD", "MMD^2", "KLD", "reverse_kl", "JSD"),
]
FIRST_ORDER = [
    *("pr50k3_full_precision", "pr50k3_recall", "Prec. ↑", "improved_recall", "alpha_precision", "recall_k5"),
    *("is50k", "is50k_mean", "inception_score_mean", "IS ↑", "vendi score", "lpips", "MS-SSIM", "mauve"),
    *(
        "self-BLEU",
        "distinct_2",
        "ppl2_wend",
        "bits/dim",
        "test_accuracy",
        "clip_score",
        "W_2",
        "EMD",
        "mmd_rbf",
    ),
    "f1_score",
]
REFUSED = [
    *("train_loss", "psnr", "kimg", "eqt50k_int", "authpct", "sinkhorn", "W2^2", "trace_cov", "fid_cfg1.5"),
    *("R squared", "LPIPS diversity", "mse", "P", "D"),
]


@pytest.mark.parametrize(("names", "squared"), [(SQUARED, True), (FIRST_ORDER, False)])
def test_names_are_read_in_their_role(names, squared):
    for name in names:
        (_, role) = roles_of(("round", name), {}, "curve")
        assert (role.role, role.number, is_squared(name)) == ("distance", None, squared), name


@pytest.mark.parametrize("name", REFUSED)
def test_what_may_be_something_else_is_refused(name):
    with pytest.raises(InputError, match="must have columns that are understood"):
        roles_of(("round", name), {}, "curve")


def _written(folder, header, rows=4):
    width = header.count(",")
    cells = [
        ",".join([str(i), *(f"{1 - 0.1 * i - 0.01 * j:.2f}" for j in range(width))]) for i in range(rows)
    ]
    (folder / "c.csv").write_text("\n".join([header, *cells]) + "\n")
    return folder / "c.csv"


@pytest.mark.parametrize(
    "header", ["round,fid10k,fid50k_full,sFID", "round,fid10k,fid50k", "round,precision,recall,f1"]
)
def test_two_metrics_are_two_columns(tmp_path, header):
    curve = read_curve(_written(tmp_path, header))
    assert curve.names == tuple(header.split(",")[1:]) and curve.kind == "distances"


def test_errors_belong_to_the_number_of_samples_they_name(tmp_path):
    curve = read_curve(_written(tmp_path, "round,fid10k,fid50k,fid50k_std,fid10k_std"))
    assert curve.names == ("fid10k", "fid50k")
    np.testing.assert_allclose(curve.standard_errors[0], [0.97, 0.98])


def test_f1_alone_is_the_factor_of_degree_one(tmp_path):
    curve = read_curve(_written(tmp_path, "round,f1"))
    assert (curve.kind, tuple(curve.degrees)) == ("factors", (1,))


def test_the_best_so_far_is_no_curve(tmp_path):
    assert read_curve(_written(tmp_path, "round,fid,best_fid")).names == ("fid",)
    with pytest.raises(
        InputError, match="values of each round, got 'best_fid', the best so far: leave it out"
    ):
        read_curve(_written(tmp_path, "round,recall,best_fid"))
    assert read_curve(_written(tmp_path, "round,best_fid"), {"best_fid": "distance"}).names == ("best_fid",)


DOCUMENT = r"""% made by a script
\documentclass{article}
\begin{document}
\begin{table}[t]\centering
\caption{FID of every generation, lower is better \& more}
\begin{tabularx}{\textwidth}{@{}l S[table-format=1.2] r@{}}
\toprule
\textbf{Generation} & \multicolumn{1}{c}{FD$_{\text{DINOv2}}$ $\downarrow$} & $\mathrm{Recall}$\,$\uparrow$ \\
\midrule
0 & $\mathbf{1.0} \pm 0.01$ & $.5 \pm .02$ \\ % the data
1 & $0.9 \pm 0.01$ & $.4 \pm .02$ \\
2 & 0.83 \textpm{} 0.01 & .35 $\pm$ .02 \\ \hline
\bottomrule
\end{tabularx}
\end{table}
Of these 5 \% & more.
\end{document}
"""


@pytest.mark.parametrize("suffix", ["tex", "txt", "TEX"])
def test_a_table_is_found_in_a_document_of_latex(tmp_path, suffix):
    (tmp_path / f"c.{suffix}").write_text(DOCUMENT)
    curve = read_curve(tmp_path / f"c.{suffix}")
    assert curve.names == ("FD_DINOv2", "Recall") and curve.rounds.tolist() == [0, 1, 2]
    np.testing.assert_allclose(curve.values, [[1.0, 0.5], [0.9, 0.4], [0.83, 0.35]])
    np.testing.assert_allclose(curve.standard_errors, [[0.01, 0.02]] * 3)


@pytest.mark.parametrize(
    ("text", "count"), [(DOCUMENT * 2, "2"), ("\\begin{document}\nNothing here.\n\\end{document}\n", "no")]
)
def test_a_document_without_one_table_is_refused(tmp_path, text, count):
    (tmp_path / "c.tex").write_text(text)
    with pytest.raises(InputError, match=f"{count} tables: write one in a file of its own"):
        read_curve(tmp_path / "c.tex")
