"""hermite_collapse: what recursive training does to a diffusion model, predicted mode by mode and checked.

Names load on first use (PEP 562), so that importing the package costs NumPy at most.  The simulation needs
PyTorch (`pip install "hermite_collapse[torch]"`); the theory does not.
"""

from __future__ import annotations

from ._lazy import lazy_names

__version__ = "0.1.0"

# Public name -> module that holds it; a name equal to its module's last part is the module itself.
_PUBLIC = {
    "AccuracyWarning": "errors",
    "ConvergenceError": "errors",
    "InputError": "errors",
    "Estimate": "estimates",
    "GaussianChannel": "channels",
    "OrnsteinUhlenbeck": "channels",
    "VarianceExploding": "channels",
    "alpha_bar_from_time": "channels",
    "sigma_from_time": "channels",
    "time_from_alpha_bar": "channels",
    "time_from_sigma": "channels",
    "AgedLaw": "laws.aged",
    "EmpiricalLaw": "laws.empirical",
    "GaussianMixture": "laws.mixture",
    "presets": "laws.presets",
    "AttenuationOperator": "operators",
    "attenuation": "modes",
    "contraction_rate": "modes",
    "half_degree": "modes",
    "largest_truncation": "modes",
    "mode_contraction": "modes",
    "mode_factors": "modes",
    "schedules": "schedules",
    "Recursion": "recursion",
    "annealing_law": "annealing",
    "advise_sampler": "sampler_advice",
    "read_scheduler": "sampler_advice",
    "diagnose": "diagnosis",
    "required_particles": "diagnosis",
    "FinitePool": "error_models",
    "PowerLaw": "error_models",
    "fit_error_model": "error_models",
    "measured_deviations": "error_models",
    "plan_schedule": "planning",
    "degree_kernel": "hermite.degree",
    "degree_spectrum": "hermite.degree",
    "distances": "distances",
    "distributed": "distributed",
    "repair": "repair",
    "bounds": "bounds",
    "figures": "figures",
    "reporting": "reporting",
    "demo": "demonstration",
    "notebook_view": "reporting.notebook",
    "compare": "comparison",
    "load": "results",
    "predict": "prediction",
    "Comparison": "comparison",
    "simulation": "simulation",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _PUBLIC, also=("__version__",))
