"""Rotation maths against SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from metasim.core import rotation as r

finite = st.floats(-1, 1, allow_nan=False)
quats = arrays(float, (5, 4), elements=finite).filter(lambda q: (np.linalg.norm(q, axis=1) > 0.1).all())
vectors = arrays(float, (5, 3), elements=st.floats(-10, 10))


def scipy(quat: np.ndarray) -> Rotation:
    return Rotation.from_quat(r.xyzw_from_wxyz(quat))


@given(quats, quats, vectors)
def test_products_and_rotations(a: np.ndarray, b: np.ndarray, v: np.ndarray) -> None:
    a, b = r.normalize(a), r.normalize(b)
    np.testing.assert_allclose(r.rotate(a, v), scipy(a).apply(v), atol=1e-12)
    np.testing.assert_allclose(r.rotate(r.quat_mul(a, b), v), r.rotate(a, r.rotate(b, v)), atol=1e-12)
    np.testing.assert_allclose(r.rotate(r.quat_conj(a), r.rotate(a, v)), v, atol=1e-12)
    np.testing.assert_allclose(r.matrix_from_quat(a), scipy(a).as_matrix(), atol=1e-12)


@given(quats)
def test_matrix_and_back_for_every_branch(q: np.ndarray) -> None:
    q = r.normalize(q)
    q = np.where(q[:, :1] < 0, -q, q)
    back = r.quat_from_matrix(r.matrix_from_quat(q))
    error = np.minimum(np.abs(back - q).max(axis=1), np.abs(back + q).max(axis=1))
    assert (error < 1e-7).all()


@pytest.mark.parametrize("axis", np.eye(3))
@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-5, 1.0, np.pi - 1e-9, -2.0])
def test_rotation_vector(axis: np.ndarray, angle: float) -> None:
    quat = np.concatenate([[np.cos(angle / 2)], np.sin(angle / 2) * axis])[None]
    np.testing.assert_allclose(r.rotation_vector(quat)[0], Rotation.from_rotvec(angle * axis).as_rotvec(), atol=1e-9)


@given(quats)
def test_orders_are_inverse(q: np.ndarray) -> None:
    np.testing.assert_array_equal(r.wxyz_from_xyzw(r.xyzw_from_wxyz(q)), q)
    assert (r.xyzw_from_wxyz(np.array([[1.0, 2, 3, 4]])) == [[2, 3, 4, 1]]).all()
