"""The leaderboard: methods that may be compared, with intervals, tie groups, costs and Pareto fronts, from records alone."""
