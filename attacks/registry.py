"""The attacks by name: what the command line, the help, the tables and the tests are made from.

This module imports no array library, so that help texts can list the attacks at once.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """What an attack is.

    Attributes:
      title: for captions. source: where it was defined.
      parameter: what its grid runs over ("eps": L-infinity budget in pixel scale [0, 1]).
      norm: the norm that the parameter bounds.
      needs: what the attacker sees: "gradient", "scores" or "labels".
      paper_tables: data set -> the paper's table of this attack.
    """

    name: str
    title: str
    parameter: str
    norm: str
    needs: str
    source: str
    paper_tables: dict[str, str]


ATTACKS: dict[str, Attack] = {
    a.name: a
    for a in (
        Attack(
            name="fgsm",
            title="Fast gradient sign method",
            parameter="eps",
            norm="Linf",
            needs="gradient",
            source="Goodfellow et al., arXiv 1412.6572",
            paper_tables={"mnist": "F.1", "plane_frog": "F.6"},
        ),
    )
}
