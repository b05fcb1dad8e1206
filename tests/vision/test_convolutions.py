from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tmdscope.vision.convolutions import fast_convolutions

CPU = torch.device("cpu")


def gradients(layer: nn.Conv2d, images: Tensor, fast: bool) -> list[Tensor]:
    """Give a layer's output, and the gradients of its inputs and parameters by a fixed weighted sum of it."""
    given = images.clone(memory_format=torch.preserve_format).requires_grad_()
    if fast:
        with fast_convolutions(CPU):
            output = layer(given)
    else:
        output = layer(given)
    weights = torch.linspace(-1, 1, output.numel()).view(output.shape)
    asked = (given, *layer.parameters())
    return [output.detach(), *torch.autograd.grad((output * weights).sum(), asked)]


@given(st.data())
def test_outputs_and_gradients_are_those_of_plain_convolutions(data: st.DataObject) -> None:
    few = st.integers(1, 3)
    groups = data.draw(st.sampled_from([1, 1, 1, 2, 3]), "groups")
    kernel = data.draw(few), data.draw(few)
    padding = data.draw(st.sampled_from([0, 1, (0, 1), "valid"]), "padding")
    stride, dilation = data.draw(few, "stride"), data.draw(st.sampled_from([1, 1, 2]), "dilation")
    high, wide = data.draw(st.integers(5, 8)), data.draw(st.integers(5, 8))
    torch.manual_seed(data.draw(st.integers(0, 99)))
    layer = nn.Conv2d(
        *(groups * data.draw(few, "inputs"), groups * data.draw(st.sampled_from([1, 8, 64]), "outputs")),
        *(kernel, stride, padding, dilation, groups),
        bias=data.draw(st.booleans(), "bias"),
    )
    images = torch.randn(data.draw(few, "images"), layer.in_channels, high, wide)
    if data.draw(st.booleans(), "channels last"):
        layer, images = (part.to(memory_format=torch.channels_last) for part in (layer, images))
    for ours, plain in zip(gradients(layer, images, True), gradients(layer, images, False), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)


def steps_back(output: Tensor) -> set[str]:
    """Name everything that gradients of an output go back through."""
    names, left = set(), [output.grad_fn]
    while left:
        node: Any = left.pop()
        if node is not None:
            names.add(node.name())
            left += [before for before, _ in node.next_functions]
    return names


@pytest.mark.parametrize(("images", "product"), [(2, True), (3, False)])
def test_maps_of_few_pixels_are_a_product_of_matrices(images: int, product: bool) -> None:
    layer = nn.Conv2d(4, 8, 3, padding=1)
    with fast_convolutions(CPU):
        output = layer(torch.randn(images, 4, 2, 2))
    assert ("ConvolutionBackward0" not in steps_back(output)) is product


def test_channels_by_themselves_are_convolved_in_float32() -> None:
    layer, images = nn.Conv2d(4, 4, 3, groups=4), torch.randn(2, 4, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        half, plain = images.to(torch.bfloat16), layer(images)
        with fast_convolutions(CPU):
            output = layer(half)
    assert output.dtype is torch.bfloat16
    assert torch.equal(output, layer(half.float()).to(torch.bfloat16))
    assert not torch.equal(output, plain)


def test_other_devices_keep_their_own() -> None:
    layer = nn.Conv2d(4, 8, 3, padding=1)
    with fast_convolutions(torch.device("meta")):
        output = layer(torch.randn(2, 4, 2, 2))
    assert "ConvolutionBackward0" in steps_back(output)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_gradients_lie_in_memory_as_their_weights_do(memory_format: torch.memory_format) -> None:
    layer = nn.Conv2d(4, 8, 3, padding=1).to(memory_format=memory_format)
    with fast_convolutions(CPU):
        output = layer(torch.randn(2, 4, 2, 2))
    output.sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.stride() == layer.weight.stride()  # fused Adam takes that for granted on a CPU
