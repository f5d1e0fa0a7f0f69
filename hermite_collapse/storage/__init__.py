"""What is on disk: folders that can be resumed, records of simulations, samples and images."""
