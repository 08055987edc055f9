"""The fused colours against the definition and against a plain convolution."""

import itertools

import pytest
import torch
from torch.nn import functional

from cuda_ops.to_rgb import fused_to_rgb, reference
from cuda_ops.upfirdn2d import upsample2d

pytestmark = pytest.mark.usefixtures("compiled")

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def draw(shape, dtype=torch.float32, layout=torch.contiguous_format):
    """x, weight, style, bias, image."""
    random = torch.Generator().manual_seed(0)
    batch, channels, height, width = shape

    def normal(*shape):
        return torch.randn(shape, generator=random, dtype=torch.float64 if dtype == torch.float64 else torch.float32)

    x = normal(*shape).to(dtype).contiguous(memory_format=layout)
    return [x, normal(3, channels, 1, 1), normal(batch, channels), normal(3), normal(batch, 3, height // 2, width // 2)]


def test_it_is_a_convolution_on_top_of_the_doubled_picture():
    x, weight, style, bias, image = draw((2, 6, 8, 4), torch.float64)
    colours = functional.conv2d(x * style[:, :, None, None], weight, bias).clamp(-2, 2)
    assert torch.allclose(fused_to_rgb(x, weight, style, bias, image, clamp=2.0), colours + upsample2d(image))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(2, 33, 8, 10), (1, 3, 16, 6), (2, 8, 4, 6), (1, 1, 2, 2), (1, 64, 70, 66)])
def test_compiled_is_the_definition(shape, dtype):
    for layout, with_bias, with_image, clamp in itertools.product(LAYOUTS, [True, False], [True, False], [-1.0, 3.0]):
        x, weight, style, bias, image = draw(shape, dtype, layout)
        arguments = (x, weight, style, bias if with_bias else None, image if with_image else None, clamp)
        found, expected = torch.ops.cuda_ops.to_rgb(*arguments), reference(*arguments)
        assert found.is_contiguous() and found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_it_is_a_well_behaved_operator():
    tests = ("test_schema", "test_faketensor")
    for dtype, layout in itertools.product([torch.float32, torch.bfloat16, torch.float64], LAYOUTS):
        torch.library.opcheck(torch.ops.cuda_ops.to_rgb.default, (*draw((2, 3, 4, 4), dtype, layout), 2.0), test_utils=tests)


def test_a_picture_of_another_size_is_refused():
    x, weight, style, bias, image = draw((2, 6, 8, 4))
    with pytest.raises(RuntimeError, match="of half the size"):
        fused_to_rgb(x, weight, style, bias, image.repeat(1, 1, 2, 2))
