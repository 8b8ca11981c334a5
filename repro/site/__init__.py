"""The report as a static site that works from a file: overview, a page a paper, boards that sort, a page a run, recipes."""
