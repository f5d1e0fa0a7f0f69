"""hermite_collapse: what recursive training does to a diffusion model, predicted mode by mode and checked.

Names load on first use (PEP 562), so that importing the package costs NumPy at most.  The simulation needs
PyTorch (`pip install "hermite_collapse[torch]"`); the theory does not.
"""

# ruff: noqa: F401  (what is imported here is what the package offers)
from __future__ import annotations

from typing import TYPE_CHECKING

from .core.lazy import lazy_names
from .core.version import __version__ as __version__

if TYPE_CHECKING:
    from . import bounds as bounds
    from . import distances as distances
    from . import figures as figures
    from . import reporting as reporting
    from . import simulation as simulation
    from .advice import repair as repair
    from .advice.audit import audit as audit
    from .advice.error_models import FinitePool as FinitePool
    from .advice.error_models import PowerLaw as PowerLaw
    from .advice.error_models import fit_error_model as fit_error_model
    from .advice.error_models import measured_deviations as measured_deviations
    from .advice.planning import plan_schedule as plan_schedule
    from .advice.samplers import advise_sampler as advise_sampler
    from .advice.schedulers import read_scheduler as read_scheduler
    from .app.demonstration import demo as demo
    from .app.run import load as load
    from .comparison.comparison import Comparison as Comparison
    from .comparison.comparison import compare as compare
    from .comparison.learned import compare_learned as compare_learned
    from .comparison.steps import compare_steps as compare_steps
    from .core.errors import ConvergenceError as ConvergenceError
    from .core.errors import InputError as InputError
    from .core.estimates import Estimate as Estimate
    from .diagnosis.diagnosis import diagnose as diagnose
    from .diagnosis.measuring.measure import measure as measure
    from .diagnosis.measuring.measured import Measured as Measured
    from .diagnosis.particles import required_particles as required_particles
    from .diagnosis.power import detection_power as detection_power
    from .figures.attenuation import draw_attenuation as plot_attenuation
    from .figures.audit import draw_audit as plot_audit
    from .figures.diagnosis import draw_diagnosis as plot_diagnosis
    from .figures.measured import draw_measured as plot_measured
    from .figures.parameter_map import draw_parameter_map as plot_parameter_map
    from .figures.result_attenuation import draw_prediction as plot_prediction
    from .figures.result_bounds import draw_proved as plot_bounds
    from .figures.result_comparison import draw_comparison as plot_comparison
    from .figures.result_comparison import draw_record as plot_simulation
    from .figures.result_theory import draw_law as plot_law
    from .figures.result_theory import draw_plan as plot_plan
    from .figures.result_theory import draw_recursion as plot_recursion
    from .figures.result_theory import draw_schedule as plot_schedule
    from .figures.spectrum import draw_degree_spectrum as plot_spectrum
    from .hermite import distributed as distributed
    from .hermite.degree import degree_kernel as degree_kernel
    from .hermite.degree import degree_spectrum as degree_spectrum
    from .laws import presets as presets
    from .laws.aged import AgedLaw as AgedLaw
    from .laws.channels import GaussianChannel as GaussianChannel
    from .laws.channels import OrnsteinUhlenbeck as OrnsteinUhlenbeck
    from .laws.channels import VarianceExploding as VarianceExploding
    from .laws.channels import alpha_bar_from_time as alpha_bar_from_time
    from .laws.channels import sigma_from_time as sigma_from_time
    from .laws.channels import time_from_alpha_bar as time_from_alpha_bar
    from .laws.channels import time_from_sigma as time_from_sigma
    from .laws.empirical import EmpiricalLaw as EmpiricalLaw
    from .laws.mixture import GaussianMixture as GaussianMixture
    from .pipeline import mechanisms as mechanisms
    from .pipeline.pipeline import Pipeline as Pipeline
    from .recursion import schedules as schedules
    from .recursion.annealing import annealing_law as annealing_law
    from .recursion.modes import attenuation as attenuation
    from .recursion.modes import contraction_rate as contraction_rate
    from .recursion.modes import half_degree as half_degree
    from .recursion.modes import largest_truncation as largest_truncation
    from .recursion.modes import mode_contraction as mode_contraction
    from .recursion.modes import mode_factors as mode_factors
    from .recursion.operators import AttenuationOperator as AttenuationOperator
    from .recursion.prediction import predict as predict
    from .recursion.recursion import Recursion as Recursion
    from .reporting.notebook import notebook_view as notebook_view
    from .storage.curves import read_curve as read_curve

if not TYPE_CHECKING:  # type checkers refuse names that are not imported above
    __getattr__, __dir__, __all__ = lazy_names(__spec__, also=("__version__",))
