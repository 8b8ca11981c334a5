"""How every figure looks: ten colours that colour-blind readers can tell apart, and one table of how each method is drawn.

A method has one colour and one marker in all figures of all papers. Variants share its colour and differ by marker and line.
Controls are hollow. A hollow black diamond is a number that a paper prints.

A method that is not in the table is drawn by its name alone, never by its place in a figure: it takes the colour of the longest
method of the table that its name goes on from ("lisa-by-norm" goes on from "lisa"), else one by the digest of its name, colours
in use last; marker and line are by that digest too. Where it would look like another it moves on to the next free look; unknown
names choose in alphabetical order.
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BLACK, GREY, BLUE, VERMILION, GREEN, PLUM, ORANGE, SKY, OLIVE, VIOLET = COLOURS = (
    "#000000", "#A9A9A9", "#0072B2", "#D55E00", "#009E73", "#992266", "#E69F00", "#56B4E9", "#5F5218", "#6F2DD8")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "p", "d", "*", "8")
LINES: Mapping[str, Any] = {"-": "-", "--": (0, (4, 1.6)), "-.": (0, (6, 1.6, 1, 1.6)), ":": (0, (1, 1.3)), "long": (0, (9, 2.5)),
                            "two dots": (0, (6, 1.5, 1, 1.5, 1, 1.5)), "dense": (0, (2.2, 1))}
STYLE: Any = {
    "svg.hashsalt": "repro", "font.size": 9.0, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.alpha": 0.25, "axes.titley": 1.0, "legend.frameon": False, "figure.dpi": 144.0, "svg.fonttype": "path",
}
LEVEL = "#666666"
"""Of what is no method: levels, diagonals, fronts."""
PARTS: Mapping[str, str] = {"weights": "#D3D3D3", "gradients": "#F4A582", "optimizer state": "#92C5DE", "activations": "#F7E7A1",
                            "selection": "#80CDC1", "temporaries": "#C2A5CF"}
"""What memory is for; pale, since no method is."""
PAPER: Mapping[str, Any] = {"marker": "D", "ls": "none", "ms": 6.5, "mfc": "none", "mec": BLACK, "mew": 1.2, "zorder": 5,
                            "label": "paper"}
"""A number that a paper prints."""


@dataclass(frozen=True, order=True)
class Look:
    """How a method is drawn. `line` is a key of LINES; a control is hollow."""

    colour: str
    marker: str
    line: str
    control: bool = False

    @property
    def face(self) -> str:
        return "white" if self.control else self.colour

    @property
    def drawn(self) -> dict[str, Any]:
        """As Matplotlib's keywords of a line with markers."""
        return {"color": self.colour, "marker": self.marker, "ls": LINES[self.line], "mfc": self.face, "mec": self.colour}

    @property
    def point(self) -> dict[str, Any]:
        """As Matplotlib's keywords of a marker alone."""
        return self.drawn | {"ls": "none"}


_BY_COLOUR: Mapping[str, Mapping[str, tuple[str, str]]] = {
    BLACK: {"full": ("o", "-"), "ft-sgd": ("s", "--"), "full-slow": ("v", "-."), "full-restarts": (">", ":"),
            "full/lora": ("^", "long"), "full/prefix": ("P", "two dots")},
    GREY: {"vanilla": ("o", "-"), "few-shot": ("s", "--"), "lp": ("^", "-."), "newton": ("D", ":")},
    BLUE: {"lora": ("s", "-"), "lora-embeddings": ("v", "--"), "lora-embeddings-gaussian": ("8", "-."),
           "lora-embeddings-other-r": (">", ":"), "lora|best": ("o", "--"), "lora|tempered member": ("d", "-."),
           "lora|averaged": ("p", ":"), "long": ("X", "long"), "wide": ("P", "two dots"), "kl|member": ("D", "--"),
           "decay|member": ("^", "-."), "dropout|member": ("<", ":"), "head|member": ("h", "long")},
    VIOLET: {"lora|ensemble": ("s", "-"), "kl|ensemble": ("D", "--"), "decay|ensemble": ("^", "-."),
             "dropout|ensemble": ("<", ":"), "head|ensemble": ("h", "long")},
    VERMILION: {"lisa": ("^", "-"), "embeddings-and-head": ("o", ":"), "lisa-fixed": ("s", "--"), "lisa-reweighted": ("v", "-."),
                "lisa-few-same-rate": ("<", "--"), "lisa-many-same-rate": (">", ":"), "lisa-long": ("D", "--"),
                "lisa-once": ("X", ":"), "lisa-draw-1": ("p", "-"), "lisa-draw-2": ("h", "--"), "lisa-draw-3": ("d", ":"),
                "lisa-drop": ("P", "--"), "lisa-keep": ("8", "long"), "freeze flags alone": ("*", ":")},
    GREEN: {"galore": ("D", "-"), "zo-sign": ("<", "--")},
    PLUM: {"mezo": ("v", "-"), "zo-momentum": ("<", "--"), "mezo-x10": ("^", ":"), "mezo-momentum": (">", "-."),
           "mezo/lora": ("s", "long"), "mezo/prefix": ("P", "two dots"), "zo-adam": ("d", "long"),
           "zo-conservative": ("p", "dense")},
    ORANGE: {"helene": ("P", "-"), "helene-ema": ("s", "--"), "helene-flat": ("D", "-."), "helene-scalar": ("^", ":"),
             "helene-global": ("v", "long"), "helene/lora": ("o", "long"), "helene/prefix": ("X", "two dots"),
             "helene-bf16": ("d", "dense")},
    SKY: {"colm": ("*", "-"), "zo-sophia": ("p", "--")},
    OLIVE: {"random": ("X", "-"), "random-2x": ("s", "--"), "random-4x": ("D", "-."), "mixture": ("^", ":"),
            "random-longer": ("o", "long")},
}
CONTROLS = frozenset((
    "full-slow", "full-restarts", "lora-embeddings", "lora-embeddings-gaussian", "lora-embeddings-other-r", "lora|best",
    "lora|tempered member", "lora|averaged", "long", "wide", "embeddings-and-head", "lisa-fixed", "lisa-reweighted",
    "freeze flags alone", "zo-momentum", "mezo-x10", "mezo-momentum", "mixture", "random-longer"))
TABLE: Mapping[str, Look] = {name: Look(colour, *how, name in CONTROLS)
                             for colour, names in _BY_COLOUR.items() for name, how in names.items()}
SAME: Mapping[str, str] = {
    "ft": "full", "ft/lora": "full/lora", "ft/prefix": "full/prefix", "zero-shot": "vanilla", "icl": "few-shot",
    "lora|member": "lora", "lora|first": "lora", "sgd": "mezo", "sgd with momentum": "zo-momentum", "adam": "full",
    "sign": "zo-sign", "sophia": "zo-sophia"}
"""Other names of methods of the table; the last five are update rules, drawn as the methods that they are the rule of."""
_PLACE = re.compile(r"@[^/|]+|(?<=\|)(\w+) (?:of|at) \d+")
"""Where a method was run, and the number of members or the point of training: they do not change how it is drawn."""


def canonical(name: str) -> str:
    """"helene@rte-512" -> "helene", "kl|ensemble of 3" -> "kl|ensemble", "ft" -> "full"."""
    plain = _PLACE.sub(lambda found: found[1] or "", name.lower())
    return SAME.get(plain, plain)


def looks(names: Iterable[str]) -> dict[str, Look]:
    """How the methods of these names are drawn, no two different ones alike; the order of the names is of no matter."""
    by_name = {name: canonical(name) for name in sorted(set(names))}
    found = {c: TABLE[c] for c in by_name.values() if c in TABLE}
    for unknown in sorted(set(by_name.values()) - set(found)):
        taken = [*TABLE.values(), *found.values()]
        found[unknown] = next(_choices(unknown, {look.colour for look in found.values()}, taken))
    return {name: found[c] for name, c in by_name.items()}


def _choices(name: str, used: set[str], taken: Sequence[Look]) -> Iterator[Look]:
    """What an unknown method may look like, best first: another colour and marker than those `taken`, then another line. Colours
    in use come last."""
    start = int(hashlib.blake2b(name.encode(), digest_size=4).hexdigest(), 16)
    family = max((known for known in TABLE if re.match(re.escape(known) + r"[-/| ,]", name)), key=len, default=None)
    turned = COLOURS[start % len(COLOURS):] + COLOURS[:start % len(COLOURS)]
    colours = (TABLE[family].colour,) if family else sorted(turned, key=lambda colour: colour in used)
    pairs = [(marker, line) for line in LINES for marker in MARKERS]
    every = [Look(colour, *pairs[(start + i) % len(pairs)]) for i in range(len(pairs)) for colour in colours]
    points = {(BLACK, PAPER["marker"]), *((look.colour, look.marker) for look in taken)}
    lines = {(look.colour, look.marker, look.line) for look in taken}
    yield from (look for look in every if (look.colour, look.marker) not in points)
    yield from (look for look in every if (look.colour, look.marker, look.line) not in lines)
