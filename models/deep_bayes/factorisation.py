"""The seven factorisations of p(x, y, z) (paper, section 2) as one table of parents.

    p(x, y, z) = p(z | parents(z)) p(y | parents(y)) p(x | parents(x))

A variable without parents is a root: z has the standard normal prior, y the uniform prior over classes, and x the data
distribution p_D(x), which is not modelled and drops out of every bound and every posterior over y.

A name is derived from the graph, never typed: D(iscriminative) when y descends from x, else G(enerative); F(ully
connected) when x and y are adjacent, else B(ottleneck: all that links them passes through z); then the root.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Factorisation:
    """Parents of each variable, as a string of variable names.

    Attributes:
      z, y, x: the parents of z, of y and of x; "" is a root.
      y_hidden_layers: hidden layers of the p(y|.) head. GBZ's alone has two in the 2019 code.
      tempered: the bound's terms that beta scales, by the letters of `DeepBayes.log_terms`: x, y, z for
        log p(x|.), log p(y|.), log p(z|.) and q for -log q(z|x,y). 2019's placement; only beta = 1 was ever reported.
      variant: suffix of a derived classifier, such as "-shallow"; "" for the seven of the paper.
    """

    z: str
    y: str
    x: str
    y_hidden_layers: int = 1
    tempered: str = "x"
    variant: str = ""

    @property
    def name(self) -> str:
        kind = "D" if "x" in self._ancestors("y") else "G"
        link = "F" if "x" in self.y or "y" in self.x else "B"
        (root,) = [v for v in "zyx" if not self.parents(v)]
        return kind + link + root.upper() + self.variant

    @property
    def formula(self) -> str:
        """ "p(z) p(y|z) p(x|z,y)"; p_D(.) is the data distribution."""
        terms = []
        for variable in sorted("zyx", key=lambda v: len(self._ancestors(v))):
            parents = ",".join(self.parents(variable))
            prior = "p" if variable == "z" else "p_D"
            terms.append(f"p({variable}|{parents})" if parents else f"{prior}({variable})")
        return " ".join(terms)

    @property
    def models_x(self) -> bool:
        """Whether x has a density: without one, detection by log p(x) does not apply (DFX, DBX)."""
        return bool(self.x)

    def parents(self, variable: str) -> str:
        return {"z": self.z, "y": self.y, "x": self.x}[variable]

    def _ancestors(self, variable: str) -> set[str]:
        found: set[str] = set()
        for parent in self.parents(variable):
            found |= {parent} | self._ancestors(parent)
        return found


GFZ = Factorisation(z="", y="z", x="zy")
GFY = Factorisation(z="y", y="", x="zy")
GBZ = Factorisation(z="", y="z", x="z", y_hidden_layers=2)
GBY = Factorisation(z="y", y="", x="z")
DFZ = Factorisation(z="", y="xz", x="z")
DFX = Factorisation(z="x", y="xz", x="", tempered="zq")
DBX = Factorisation(z="x", y="z", x="", tempered="q")

THE_SEVEN = (GFZ, GFY, GBZ, GBY, DFZ, DFX, DBX)
VARIANTS = (replace(GBZ, y_hidden_layers=1, variant="-shallow"),)

FACTORISATIONS: dict[str, Factorisation] = {f.name: f for f in (*THE_SEVEN, *VARIANTS)}
SEVEN_NAMES: tuple[str, ...] = tuple(f.name for f in THE_SEVEN)
