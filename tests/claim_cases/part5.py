"""Part 5."""

from course_lib.claims import FAILS, HOLDS, UNTESTED
from tests.claim_cases import WHEN

CASES = {
    "5.1": [(dict(T=12, changed=6, before=0.0, after=0.5), HOLDS), (dict(before=0.1), FAILS), (dict(after=0.0), FAILS)],
    "5.2": [(dict(T=12, loss_error=1e-7, gradient_error=1e-6), HOLDS), (dict(loss_error=0.1), FAILS), (dict(gradient_error=0.1), FAILS)],
    "5.3": [
        (dict(own_early=5.0, own_late=5.5, people_early=3.0, people_late=3.1, error=0.1), HOLDS),
        (dict(own_late=5.2), FAILS), (dict(people_late=3.5), FAILS), (dict(error=0.3), UNTESTED),
    ],
    "5.4": [
        (dict(network=2.9, counts={1: 5.3, 2: 3.8, 4: 3.0}, longer=2.8), HOLDS),
        (dict(network=3.4, longer=2.95), WHEN), (dict(network=3.4, longer=3.1), FAILS), (dict(network=6.0, longer=3.1), FAILS),
    ],
    "5.5": [
        (dict(beam_surprise=1.0, people_surprise=3.0, beam_repeated=0.7, sampled_repeated=0.0, people_repeated=0.02), FAILS),
        (dict(beam_repeated=0.05), UNTESTED), (dict(beam_surprise=3.5), UNTESTED),
    ],
    "5.6": [
        (dict(T=20, seeds=3, transformer_solved=3, transformer_steps=50.0, recurrent_solved=0, recurrent_best=0.4, steps=600), HOLDS),
        (dict(recurrent_solved=3), FAILS), (dict(transformer_solved=2), FAILS),
    ],
    "5.7": [(dict(words=500, right=0.4, agreement=0.9), HOLDS), (dict(agreement=0.6), WHEN), (dict(agreement=0.1), FAILS)],
    "5.8": [
        (dict(T=512, cache_bytes=1000, cache_half=500, state_bytes=10, state_half=10), WHEN),
        (dict(state_half=5), FAILS), (dict(cache_half=1000), HOLDS),
    ],
    "5.9": [(dict(first=16, last=512, uncached=4.0, cached=1.1, recurrent=1.0), WHEN), (dict(cached=2.0, recurrent=2.0), HOLDS), (dict(uncached=1.0), FAILS)],
}  # fmt: skip
