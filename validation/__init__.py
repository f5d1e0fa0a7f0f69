"""Theory against simulation: experiments, benchmarks and examples, each run writing one record."""
