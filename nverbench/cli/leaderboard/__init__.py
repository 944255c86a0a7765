"""``nverbench leaderboard``: show, build, serve, submit, verify, pull, push."""
