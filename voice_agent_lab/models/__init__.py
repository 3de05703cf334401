"""The turn as arithmetic: arrays without an event loop, for very many turns at once."""
