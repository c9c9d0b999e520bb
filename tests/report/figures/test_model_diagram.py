"""Figures 1 and 2 follow the model instance that they are read from."""

import pytest
import torch
from figure_words import texts
from matplotlib.patches import FancyBboxPatch

from vad_lib.data import prompts
from vad_lib.errors import ConfigError
from vad_lib.model import Proposed, ProposedSettings
from vad_lib.report.figures import model_diagram, model_parts


def model(text_width: int = 24, **settings) -> Proposed:
    return Proposed(ProposedSettings(feature_dim=48, **{"width": 32, **settings}), torch.randn(5, text_width))


@pytest.mark.parametrize(
    "settings",
    [{}, {"modulation": "off"}, {"modulation": "literal"}, {"loss_weights": "adaptive"}, {"gate": "fixed"}, {"lambda_con": 0.0}],
    ids=str,
)
def test_every_parameter_belongs_to_one_part(settings):
    built = model(**settings)
    parts = model_parts.model_parts(built, 20)
    assert sum(part.parameters for part in parts.values()) == sum(parameter.numel() for parameter in built.parameters())


def test_parts_have_the_shapes_of_the_instance():
    parts = model_parts.model_parts(model(), 20)
    assert parts["features"].shape == (20, 48)
    assert parts["embed"].shape == parts["layers"].shape == (20, 32)
    assert parts["memory"].shape == (20, 64)
    assert parts["project"] == model_parts.Part("project", (20, 24), 64 * 24 + 24)
    assert parts["modulate"].shape == parts["offset"].shape == (5, 24)
    assert parts["alignment"].shape == (20, 5)
    assert parts["semantic"].shape == parts["fused"].shape == (20,)


@pytest.mark.parametrize("draw", [model_diagram.model_diagram, model_diagram.alignment_diagram])
def test_diagrams_follow_the_model(draw):
    built = model()
    fig, points = draw(built, "random", 20)
    small = texts(fig)
    assert "20 x 64" in small and "1,560 parameters" in small  # F_c; projection 64 x 24 + 24
    assert points["parameters"].sum() == sum(parameter.numel() for parameter in built.parameters())
    wide = texts(draw(model(width=64), "random", 20)[0])
    assert "20 x 128" in wide and "3,096 parameters" in wide
    assert texts(draw(model(text_width=40), "random", 20)[0]).count("5 x 40") >= 2
    assert "20 x 64" not in texts(draw(built, "random", 30)[0])


def test_diagrams_show_values_of_the_instance():
    built = model(lambda_con=0.0, semantic_score="sum", modulation="literal")
    with torch.no_grad():
        built.gate_logit.fill_(1.0)
    whole, detail = (
        texts(model_diagram.model_diagram(built, "random", 20)[0]),
        texts(model_diagram.alignment_diagram(built, "random", 20)[0]),
    )
    assert "w = 0.731" in whole and "w = 0.731" in detail  # sigmoid(1)
    assert "bare cosines" in detail and "times 1" in detail
    assert "L_con (eq. 13) not used" in detail and "L_align (eq. 12) x 0.0333" in detail
    adaptive = texts(model_diagram.alignment_diagram(model(loss_weights="adaptive"), "random", 20)[0])
    assert "L_align (eq. 12) learned weight" in adaptive


def test_a_diagram_leaves_the_model_as_it_was():
    built = model().train()
    model_diagram.model_diagram(built, "random", 20)
    assert built.training and not built.visual_branch.embed._forward_hooks


@pytest.mark.parametrize("draw", [model_diagram.model_diagram, model_diagram.alignment_diagram])
def test_words_stay_within_their_boxes(draw):
    """At the real sizes and with the longest source of text features."""
    built = Proposed(ProposedSettings(), torch.randn(14, 512))
    fig, _ = draw(built, "sentence all-MiniLM-L6-v2", 200)
    fig.canvas.draw()
    boxes = [patch.get_window_extent() for patch in fig.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    words = [text for text in fig.axes[0].texts[1:] if text.get_text()]
    for text in words:
        extent = text.get_window_extent()
        middle = (extent.x0 + extent.x1) / 2, (extent.y0 + extent.y1) / 2
        box = next(box for box in boxes if box.contains(*middle))
        assert box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0 and extent.y1 <= box.y1, text.get_text()


def test_a_model_is_built_from_settings_alone():
    text = prompts.text_features("sentence", ("Normal", "Arson", "Stealing"))
    config = {
        "method": "proposed",
        "seed": 3,
        "features": {"dimension": 48},
        "categories": list(text.categories),
        "width": 32,
        "options": {"gate": "fixed"},
        "text": {"source": text.source, "note": text.note, "content_hash": text.content_hash},
    }
    state = torch.random.get_rng_state()
    built = model_parts.untrained_model(config)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (built.settings.width, built.settings.gate, built.training) == (32, "fixed", False)
    again = model_parts.untrained_model(config)
    assert all(torch.equal(one, other) for one, other in zip(built.parameters(), again.parameters(), strict=True))
    assert "3 categories" in texts(model_diagram.alignment_diagram(built, text.source, 20)[0])
    with pytest.raises(ConfigError, match=r"text features 'file': expected one of clip, .*; choose a run with one of them"):
        model_parts.untrained_model(config | {"text": {"source": "file", "note": ""}})
    with pytest.raises(ConfigError, match="show the proposed model, got a run of 'ur-dmu'"):
        model_parts.untrained_model(config | {"method": "ur-dmu", "options": {}})
