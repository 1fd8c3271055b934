"""What keys have spent: sums that only grow by what is added, whoever adds."""

from sibao.store.spending import add_spent, spent


def test_what_is_spent_adds_up(store: str) -> None:
    assert spent() == {}
    add_spent({"a" * 64: 0.5})
    add_spent({"a" * 64: 0.25, "b" * 64: 2.0})
    add_spent({"b" * 64: -1.5})
    assert spent() == {"a" * 64: 0.75, "b" * 64: 0.5}


def test_processes_that_add_at_once_lose_nothing(store: str, start) -> None:
    code = "from sibao.store.spending import add_spent\nfor _ in range(10): add_spent({'k' * 64: 0.5})"
    add_spent({"k" * 64: 0.5})
    for process in [start(code) for _ in range(2)]:
        assert process.wait(120) == 0
    assert spent() == {"k" * 64: 10.5}
