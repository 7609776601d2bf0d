"""The one renderer from a map to what a model sees; pyramid and detail tiles."""
