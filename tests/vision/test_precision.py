import pytest
import torch

from tmdscope.vision.precision import Precision, autocast, resolve_precision

CPU = torch.device("cpu")


def test_auto_is_bf16_only_where_the_machine_multiplies_it_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    for amx, wanted in ((True, Precision.BF16), (False, Precision.FP32)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda amx=amx: {"amx_bf16": amx})
        assert resolve_precision(Precision.AUTO, CPU) is wanted


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_a_named_precision_is_obeyed(precision: Precision) -> None:
    assert resolve_precision(precision, CPU) is precision


def test_products_are_computed_in_the_precision() -> None:
    layer, values = torch.nn.Linear(4, 4), torch.randn(2, 4)
    for precision, wanted in ((Precision.BF16, torch.bfloat16), (Precision.FP32, torch.float32)):
        with autocast(precision, CPU):
            assert layer(values).dtype is wanted
