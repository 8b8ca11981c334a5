"""How many members, and how their answers are combined."""
