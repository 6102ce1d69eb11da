"""Reduction of residuals to errors."""

import numpy as np

from stream.detect.model.reduction import cell_errors


def test_huber_is_the_square_up_to_one_deviation_and_grows_with_the_size_beyond() -> None:
    residual = np.array([-3.0, -1.0, -0.3, 0.0, 0.5, 1.0, 1.5, 10.0], np.float32)
    np.testing.assert_array_equal(
        cell_errors(residual.copy(), "huber"), np.array([5.0, 1.0, np.float32(0.3) ** 2, 0.0, 0.25, 1.0, 2.0, 19.0])
    )
    np.testing.assert_array_equal(cell_errors(residual.copy(), "mse"), residual**2)
