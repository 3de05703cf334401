"""Questions about many turns, each answered in one call: samples, comparisons, what buys most."""
