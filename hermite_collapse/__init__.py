"""hermite_collapse: what recursive training does to a diffusion model, predicted mode by mode and checked.

Names load on first use (PEP 562), so that importing the package costs NumPy at most.  The simulation needs
PyTorch (`pip install "hermite_collapse[torch]"`); the theory does not.
"""

from __future__ import annotations

from .core.lazy import lazy_names

__version__ = "0.1.0"

# Public name -> module that holds it; a name equal to its module's last part is the module itself.
_PUBLIC = {
    "AccuracyWarning": "core.errors",
    "ConvergenceError": "core.errors",
    "InputError": "core.errors",
    "Estimate": "core.estimates",
    "GaussianChannel": "laws.channels",
    "OrnsteinUhlenbeck": "laws.channels",
    "VarianceExploding": "laws.channels",
    "alpha_bar_from_time": "laws.channels",
    "sigma_from_time": "laws.channels",
    "time_from_alpha_bar": "laws.channels",
    "time_from_sigma": "laws.channels",
    "AgedLaw": "laws.aged",
    "EmpiricalLaw": "laws.empirical",
    "GaussianMixture": "laws.mixture",
    "presets": "laws.presets",
    "AttenuationOperator": "recursion.operators",
    "attenuation": "recursion.modes",
    "contraction_rate": "recursion.modes",
    "half_degree": "recursion.modes",
    "largest_truncation": "recursion.modes",
    "mode_contraction": "recursion.modes",
    "mode_factors": "recursion.modes",
    "schedules": "recursion.schedules",
    "Recursion": "recursion.recursion",
    "annealing_law": "recursion.annealing",
    "advise_sampler": "advice.samplers",
    "read_scheduler": "advice.samplers",
    "diagnose": "diagnosis.diagnosis",
    "required_particles": "diagnosis.particles",
    "FinitePool": "advice.error_models",
    "PowerLaw": "advice.error_models",
    "fit_error_model": "advice.error_models",
    "measured_deviations": "advice.error_models",
    "plan_schedule": "advice.planning",
    "degree_kernel": "hermite.degree",
    "degree_spectrum": "hermite.degree",
    "distances": "distances",
    "distributed": "hermite.distributed",
    "repair": "advice.repair",
    "bounds": "bounds",
    "figures": "figures",
    "reporting": "reporting",
    "demo": "app.demonstration",
    "notebook_view": "reporting.notebook",
    "compare": "comparison.comparison",
    "load": "app.run",
    "predict": "recursion.prediction",
    "Comparison": "comparison.comparison",
    "simulation": "simulation",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _PUBLIC, also=("__version__",))
