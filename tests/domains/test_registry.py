import pytest
import torch

from domains.finetune import embedding_names
from domains.registry import ForDomains, domain_names, domain_path, load_domain
from stylespace.generator import Generator
from stylespace.weights import WeightsError, save_network


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    for name in ("portrait", "toon", "clay"):
        save_network(domain_path(tmp_path, name), Generator(8, 4, 4, 32, 4, 1))
    return tmp_path


def test_names_and_files(folder):
    assert domain_names(folder) == ["portrait", "clay", "toon"]
    assert domain_path(folder, "portrait") == folder / "generator.safetensors"
    toon, portrait = load_domain(folder, "toon"), load_domain(folder, "portrait")
    assert not toon.training
    assert not torch.equal(toon.synthesis.b4.const, portrait.synthesis.b4.const)


def test_only_the_source_has_its_own():
    found = ForDomains("own", "elsewhere")
    assert [found.of(name) for name in ("portrait", "toon", "clay")] == ["own", "elsewhere", "elsewhere"]


def test_an_unknown_name_gets_the_nearest_and_the_list(folder):
    with pytest.raises(WeightsError, match="no domain 'tooon'.*did you mean 'toon'.*portrait, clay, toon"):
        load_domain(folder, "tooon")
    with pytest.raises(WeightsError, match="the domains are portrait, clay, toon"):
        load_domain(folder, "xyz")


def test_a_missing_source_is_named(tmp_path):
    assert domain_names(tmp_path) == ["portrait"]
    with pytest.raises(WeightsError, match="generator.safetensors is missing"):
        load_domain(tmp_path, "portrait")


def test_a_domain_may_leave_out_what_it_shares_with_the_source(folder):
    source = load_domain(folder, "portrait")
    full = load_domain(folder, "toon")
    frozen = embedding_names(source)
    save_network(domain_path(folder, "toon"), full, without=frozen)
    loaded = load_domain(folder, "toon").state_dict()
    for name, tensor in loaded.items():
        assert torch.equal(tensor, (source if name in frozen else full).state_dict()[name]), name
    domain_path(folder, "portrait").unlink()
    with pytest.raises(WeightsError, match="generator.safetensors is missing"):
        load_domain(folder, "toon")
