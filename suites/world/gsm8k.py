"""openai/gsm8k: word problems with worked solutions ending ``#### n``."""

from suites.world.arithmetic import word_problem
from suites.world.draw import Split
from suites.world.problem import sample
from suites.world.world import World

Row = dict[str, object]
SIZES: dict[str, tuple[Split, int]] = {"train": ("train", 1000), "validation": ("dev", 100), "test": ("test", 200)}


def rows(world: World, split: Split, n: int) -> list[Row]:
    """``n`` problems of one split in the real benchmark's fields."""
    problems = sample(world, split, word_problem, n, "gsm8k")
    return [{"question": p.question, "answer": p.work, "fact": p.key} for p in problems]


def tables(world: World) -> dict[str, dict[str, list[Row]]]:
    """Config -> split -> rows."""
    return {"main": {name: rows(world, split, n) for name, (split, n) in SIZES.items()}}
