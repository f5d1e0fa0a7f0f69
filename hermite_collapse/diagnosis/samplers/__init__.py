"""The rounds of a given sampler of K steps, fitted to measured curves with the errors that they pass on."""
