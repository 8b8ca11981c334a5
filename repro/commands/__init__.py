"""The commands of `python -m repro`. Modules here import what is heavy inside their functions, so that help is instant."""
