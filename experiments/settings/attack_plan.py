"""An attack as it is run: the values of its options and its grid, from what was asked for, protocol and registry."""

from dataclasses import dataclass
from types import SimpleNamespace

from deepbayes.attacks.registry import ATTACKS, Attack, Option
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.run_settings import AttackSettings


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes:
      options: name -> value, of all the attack's options.
      grid: values of its parameter, ascending.
      known_noise: whether the attack sees the very noise that it is evaluated with, so that the classifier is a fixed
        function to it, and attacks can be compared image by image.
      full_gradient: whether gradients go back through all samples and classes, not only through those with weight.
    """

    attack: Attack
    options: dict
    grid: tuple[float, ...]
    targeted: bool = False
    known_noise: bool = False
    full_gradient: bool = False

    @property
    def namespace(self) -> SimpleNamespace:
        return SimpleNamespace(**self.options)

    def settings(self, value: float) -> dict:
        """What a result depends on, as far as the attack goes."""
        return {
            "attack": self.attack.name,
            self.attack.parameter: value,
            "targeted": self.targeted,
            "options": self.options,
        } | ({"known_noise": True} if self.known_noise else {})


def make_plan(attack: str, dataset: str, protocol: str, **wanted) -> Plan:
    """A plan with the protocol's defaults.

    Args:
      **wanted: grid, targeted, known_noise, full_gradient, and the attack's own options.

    Raises:
      UsageError: as `plan_of`.
    """
    fixed = {n: wanted.pop(n) for n in ("targeted", "known_noise", "full_gradient") if n in wanted}
    grid = tuple(wanted.pop("grid", None) or ())
    return plan_of(AttackSettings(attack, grid, wanted, **fixed), dataset, protocol)


def plan_of(settings: AttackSettings, dataset: str, protocol: str) -> Plan:
    """The plan that was asked for, completed by protocol, registry and data set.

    Raises:
      UsageError: an option that the attack does not have, or a value that it does not take.
    """
    attack = ATTACKS[settings.name]
    values = attack.defaults(protocol)
    known = {o.name: o for o in attack.options}
    for name, value in settings.options.items():
        if name not in known:
            takes = ", ".join(f"--{flag(n)}" for n in known) or "no options of its own"
            raise UsageError(f"{attack.name} has no option --{flag(name)}; it takes {takes}")
        values[name] = _checked(attack, known[name], value)
    if settings.targeted and not attack.takes_targets:
        raise UsageError(f"{attack.name} cannot be aimed at a label: leave out --targeted")
    if settings.known_noise:
        _know_noise(attack, values, settings.options)
    wanted = settings.grid or attack.grid or _usual_grid(attack, dataset)
    if attack.norm == "L0" and any(v < 1 or v != int(v) for v in wanted):
        raise UsageError(f"--{attack.parameter} must be whole numbers of at least 1")
    grid = tuple(sorted({float(v) for v in wanted}))
    return Plan(attack, values, grid, settings.targeted, settings.known_noise, settings.full_gradient)


def _usual_grid(attack: Attack, dataset: str) -> tuple[float, ...]:
    data = DATASETS[dataset]
    return (data.detector_aware_eps if attack.evades_detectors else ()) or data.eps_grid


def _know_noise(attack: Attack, values: dict, given: dict) -> None:
    """The draw of the evaluation at every step: frozen, and a single one."""
    if given.get("noise") == "fresh" or values.get("eot", 1) > 1:
        raise UsageError(f"{attack.name} --known-noise stands for one draw: leave out --noise fresh and --eot")
    values |= {"noise": "frozen"} if "noise" in values else {}


def flag(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _checked(attack: Attack, option: Option, value):
    where = f"{attack.name} --{flag(option.name)}"
    if option.choices:
        if value not in option.choices:
            raise UsageError(f"{where} is one of {', '.join(option.choices)}, not {value}")
        return value
    if option.word and value == option.word:
        return value
    whole = isinstance(option.default, int)
    try:
        number = int(value) if whole else float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{where} is {'a whole number' if whole else 'a number'}, not {value!r}") from None
    if not option.least <= number < float("inf"):
        raise UsageError(f"{where} must be finite and at least {option.least:g}, not {value}")
    return number


def value_of(settings: dict) -> float:
    """The value of its parameter in a stored result's settings."""
    return settings[ATTACKS[settings["attack"]].parameter]


def changed_options(settings: dict) -> dict:
    """The stored options that are not the defaults of the result's protocol, known noise among them."""
    defaults = ATTACKS[settings["attack"]].defaults(settings["protocol"]["name"])
    changed = {n: v for n, v in settings.get("options", {}).items() if defaults.get(n) != v}
    if settings.get("known_noise"):  # which is frozen
        changed = {n: v for n, v in changed.items() if n != "noise"} | {"known_noise": "yes"}
    return changed | ({"full_gradient": "yes"} if settings.get("full_gradient") else {})
