"""Which fields of the canonical model a per-world parameter stands for; the same for every engine."""

FIELDS = {
    "mass": ("body_mass", "body_inertia"),
    "friction": ("geom_friction",),
    "damping": ("dof_damping",),
    "gain": ("actuator_gainprm", "actuator_biasprm"),
    "gravity": ("opt.gravity",),
    "body_pos": ("body_pos",),
    "body_quat": ("body_quat",),
    "site_pos": ("site_pos",),
}
DERIVED = (
    "body_subtreemass",
    "dof_invweight0",
    "body_invweight0",
    "dof_M0",
    "tendon_invweight0",
    "actuator_acc0",
    "dof_length",
)
EXPANDABLE = tuple(dict.fromkeys([f for fields in FIELDS.values() for f in fields] + list(DERIVED)))
"""Fields that may get a row for each world: those of the parameters, and what follows from them."""
