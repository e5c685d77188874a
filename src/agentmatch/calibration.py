"""Turn scores into probabilities: is this agent a right one, does any agent fit at all?

Two logistic models share the work (Platt, 1999, "Probabilistic Outputs for Support
Vector Machines"), over features that mean the same in every catalogue (see
`agentmatch.features`):

- `fits`: the probability that some agent of the catalogue fits the request;
- `right`: the probability that an agent is a right one, given that some agent fits.

An agent's confidence is the product of both, so no agent is likelier than "some agent
fits", and the first agent has the highest confidence: every feature by which `right`
tells agents apart rises with their score. Each weight has a fixed sign, so that more
evidence never lowers a probability.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmatch.features import Features

Probabilities = NDArray[np.float64]

CALIBRATION_FORMAT = 1
"""Changes whenever the JSON is laid out in another way."""


@dataclass(frozen=True, slots=True)
class LogisticModel:
    """Hold a logistic regression by the names of its features.

    Attributes:
        bias: The log-odds where all features are 0.
        weights: What one unit of a feature adds to the log-odds.
    """

    bias: float
    weights: Mapping[str, float]

    def probability(self, features: Mapping[str, NDArray[np.floating[Any]]]) -> Probabilities:
        """Compute probabilities.

        Args:
            features: For each feature that has a weight an array; shapes broadcast.

        Returns:
            float64 of the shape that all features broadcast to, 0 to 1.

        Raises:
            KeyError: A feature that has a weight is missing.
        """
        shape = np.broadcast_shapes(*(values.shape for values in features.values()))
        logits = np.full(shape, self.bias, dtype=np.float64)
        for name, weight in self.weights.items():
            logits += weight * features[name]
        # The same function for both tails, without overflow.
        return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turn features into probabilities.

    Attributes:
        fits: Whether some agent fits; over features of requests alone.
        right: Whether an agent is a right one, given that some agent fits; over
            features of requests and agents.
        max_none: The bar: a request is refused where the probability that no agent
            fits is above it.
        encoder_fingerprint: The encoder whose similarities it was fitted on; "" for
            any. With another encoder nothing is refused unless one asks for it.
    """

    fits: LogisticModel
    right: LogisticModel
    max_none: float
    encoder_fingerprint: str = ""

    def confidence_none(self, features: Features) -> Probabilities:
        """Compute the probability that no agent fits.

        Args:
            features: The features of n requests.

        Returns:
            float64 [n], 0 to 1.
        """
        return 1 - self.fits.probability(features.request)

    def confidence(self, features: Features) -> Probabilities:
        """Compute the probability of each agent that it is a right one.

        Args:
            features: The features of n requests and m agents.

        Returns:
            float64 [n, m], 0 to 1. Several agents can be right for one request, so a
            row need not sum to 1.
        """
        by_request = {name: values[:, np.newaxis] for name, values in features.request.items()}
        right = self.right.probability({**by_request, **features.agents})
        return self.fits.probability(features.request)[:, np.newaxis] * right

    def to_json(self) -> dict[str, Any]:
        """Return the calibration as JSON values."""
        return {"format": CALIBRATION_FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Calibration:
        """Make a calibration of what `to_json` returned.

        Args:
            document: The JSON values.

        Returns:
            The calibration.

        Raises:
            ValueError: It is no calibration, or one of another format.
        """
        try:
            if document["format"] != CALIBRATION_FORMAT:
                raise ValueError(f"format {document['format']!r}, not {CALIBRATION_FORMAT}")
            fits, right = (
                LogisticModel(
                    float(document[name]["bias"]),
                    {key: float(value) for key, value in document[name]["weights"].items()},
                )
                for name in ("fits", "right")
            )
            return cls(
                fits, right, float(document["max_none"]), str(document["encoder_fingerprint"])
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a calibration: {error}") from None


@lru_cache(maxsize=1)
def default_calibration() -> Calibration:
    """Return the calibration that comes with the package.

    `python -m benchmarks calibration` fitted it; `calibration.json` beside this file
    holds its weights.
    """
    text = files("agentmatch").joinpath("calibration.json").read_text("utf-8")
    return Calibration.from_json(json.loads(text))


DEFAULT_CALIBRATION = default_calibration()
"""The calibration of the default encoder and the shipped signal weights."""
