"""Worked examples: a theorist with a mixture, a practitioner with samples and a sampler, a reviewer with a doubt."""
