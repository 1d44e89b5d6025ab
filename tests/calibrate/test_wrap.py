"""A wrapped model returns what the model returns, with calibrated logits, and can be exported."""

import io
import math
import warnings
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
import torch
from tests.metrics.synthetic import overconfident
from torch import nn

from levelhead.calibrate import IsotonicRegression, MatrixScaling, TemperatureScaling, VectorScaling, wrap

Named = namedtuple("Named", ["aux", "logits"])  # as torchvision's Inception, with names of its own order
INPUTS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


class Returning(nn.Module):
    """A linear model whose logits come back in something."""

    def __init__(self, form=lambda logits: logits):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.form = form

    def forward(self, inputs):
        return self.form(self.linear(inputs))


FORMS = {
    "tensor": (lambda z: z, lambda out: out),
    "tuple": (lambda z: (z, z + 1), lambda out: out[0]),
    "loss first": (lambda z: (z.sum(), z), lambda out: out[1]),
    "list": (lambda z: [z, z + 1], lambda out: out[0]),
    "named tuple": (lambda z: Named(z + 1, z), lambda out: out.logits),
    "dict": (lambda z: {"loss": z.sum(), "logits": z}, lambda out: out["logits"]),
    "torchvision": (lambda z: OrderedDict(out=z, aux=z + 1), lambda out: out["out"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_only_the_logits_change_and_the_form_stays(form):
    build, logits_of = FORMS[form]
    model = Returning(build)
    before, after = model(INPUTS), wrap(model, 2.5)(INPUTS)
    assert type(after) is type(before)
    torch.testing.assert_close(logits_of(after), logits_of(before) / 2.5)
    if form != "tensor":
        pairs = zip(
            *(out.values() if isinstance(out, dict) else out for out in (before, after)),
            strict=True,
        )
        assert sum(not torch.equal(a, b) for a, b in pairs) == 1


def test_hugging_face_outputs():
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=3
    )
    model = transformers.BertForSequenceClassification(config).eval()
    words, labels = torch.randint(20, (2, 5), generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2])
    calibrated = wrap(model, 3.0)
    with torch.no_grad():
        before, after = model(words, labels=labels), calibrated(words, labels=labels)
        plain = calibrated(words, labels=labels, return_dict=False)
    assert type(after) is type(before)
    torch.testing.assert_close(after.logits, before.logits / 3)
    torch.testing.assert_close(after.loss, before.loss)
    torch.testing.assert_close(plain[1], before.logits / 3)


def test_any_shape_dtype_and_gradient():
    dense = nn.Conv2d(3, 5, 1)
    images = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(wrap(dense, 0.5)(images), dense(images) * 2)
    assert wrap(nn.Linear(4, 3).double(), 2)(INPUTS.double()).dtype == torch.float64
    assert wrap(nn.Linear(4, 3).bfloat16(), 2)(INPUTS.bfloat16()).dtype == torch.bfloat16
    model = Returning()
    wrap(model, 2.0)(INPUTS).sum().backward()
    torch.testing.assert_close(model.linear.bias.grad, torch.full((3,), 3.0))


@pytest.mark.parametrize("kind", [TemperatureScaling, VectorScaling, MatrixScaling])
def test_a_calibrator_is_applied_as_it_applies_itself(kind):
    fitted = kind().fit(*overconfident(300, 3))
    model = Returning()
    with torch.no_grad():
        torch.testing.assert_close(wrap(model, fitted)(INPUTS), fitted.apply(model(INPUTS)), atol=1e-5, rtol=1e-5)


def test_numbers_travel_with_the_module():
    calibrated = wrap(Returning(), TemperatureScaling().fit(*overconfident(300, 3)))
    other = wrap(Returning(), 1.0)
    other.load_state_dict(calibrated.state_dict())
    torch.testing.assert_close(other(INPUTS), calibrated(INPUTS))
    assert list(dict(wrap(Returning(), 2).named_parameters())) == ["model.linear.weight", "model.linear.bias"]


def test_numbers_are_put_where_the_model_is():
    fitted = VectorScaling().fit(*overconfident(300, 3))
    assert {b.device.type for b in wrap(nn.Linear(4, 3, device="meta"), fitted).buffers()} == {"meta"}
    torch.testing.assert_close(wrap(nn.Identity(), 2.0)(INPUTS), INPUTS / 2)  # a model without parameters


def test_the_logits_can_be_named():
    model = Returning(lambda z: (z + 1, z))
    torch.testing.assert_close(wrap(model, 2, output=1)(INPUTS)[1], model(INPUTS)[1] / 2)
    model = Returning(lambda z: {"scores": z})
    torch.testing.assert_close(wrap(model, 2, output="scores")(INPUTS)["scores"], model(INPUTS)["scores"] / 2)
    model = Returning(lambda z: Named(z, z + 1))
    torch.testing.assert_close(wrap(model, 2, output="aux")(INPUTS).aux, model(INPUTS).aux / 2)


def test_what_holds_no_logits_is_refused():
    for form, reason in (
        (lambda z: {"scores": z}, "none of these is 'logits' or 'out'"),
        (lambda z: (z.sum(), None), "say which are its logits"),
        (lambda z: "logits", "returned str"),
    ):
        with pytest.raises(ValueError, match=reason):
            wrap(Returning(form), 2)(INPUTS)
    fitted = VectorScaling().fit(*overconfident(300, 3))
    with pytest.raises(ValueError, match=r"need logits of shape \(N, C\), got \(6, 1, 3\)"):
        wrap(Returning(lambda z: z[:, None]), fitted)(INPUTS)


@pytest.mark.parametrize("bad", [0, -1.5, math.nan, math.inf])
def test_temperatures_are_positive(bad):
    with pytest.raises(ValueError, match="positive number"):
        wrap(Returning(), bad)


def test_what_is_no_temperature_is_refused():
    for bad in (True, "2", None, IsotonicRegression().fit(*overconfident(300, 3))):
        with pytest.raises(ValueError, match="wrap takes a temperature"):
            wrap(Returning(), bad)
    for kind in (TemperatureScaling, MatrixScaling):
        with pytest.raises(ValueError, match="call fit"):
            wrap(Returning(), kind())


def calibrators():
    data = overconfident(300, 3)
    return [2.5, TemperatureScaling().fit(*data), VectorScaling().fit(*data), MatrixScaling().fit(*data)]


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("form", ["tensor", "loss first", "dict"])
def test_it_exports(form, place):
    calibrated = wrap(Returning(FORMS[form][0]), calibrators()[place]).eval()
    batch = torch.export.Dim("batch")
    program = torch.export.export(calibrated, (INPUTS,), dynamic_shapes={"args": ({0: batch},)})
    other = torch.randn(9, 4)
    logits_of = FORMS[form][1]
    torch.testing.assert_close(logits_of(program.module()(other)), logits_of(calibrated(other)))


def test_hugging_face_outputs_export():
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(
        num_channels=3, embedding_size=4, hidden_sizes=[4], depths=[1], layer_type="basic", num_labels=3
    )
    calibrated = wrap(transformers.ResNetForImageClassification(config), 2.0).eval()
    images = torch.randn(2, 3, 8, 8)
    program = torch.export.export(calibrated, (images,))
    torch.testing.assert_close(program.module()(images).logits, calibrated(images).logits)


@pytest.mark.parametrize("place", range(4))
def test_it_exports_to_onnx(place):
    onnx = pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    calibrated = wrap(Returning(), calibrators()[place]).eval()
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the newer exporter needs onnxscript, the older one says it is old
        torch.onnx.export(calibrated, (INPUTS,), file, dynamo=False)
    graph = onnx.load_from_string(file.getvalue())
    got = ReferenceEvaluator(graph).run(None, {graph.graph.input[0].name: INPUTS.numpy()})[0]
    np.testing.assert_allclose(got, calibrated(INPUTS).detach().numpy(), atol=1e-5)


def test_train_and_eval_reach_the_model():
    calibrated = wrap(nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5)), 2.0)
    assert not calibrated.eval().model.training
    assert calibrated.train().model.training
