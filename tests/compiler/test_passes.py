"""The passes from a graph to a program, each by what it prints; none changes its input."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from graphs import graph_of

from autograd_mini import operation
from autograd_mini.compiler.arguments import Block
from autograd_mini.compiler.expand import expand
from autograd_mini.compiler.graph import Graph
from autograd_mini.compiler.parts import Parts, split
from autograd_mini.compiler.patterns import choose_patterns
from autograd_mini.compiler.pipeline import compile_graph
from autograd_mini.compiler.program import check
from autograd_mini.compiler.schedule import schedule
from autograd_mini.compiler.slots import assign_slots
from autograd_mini.compiler.sums import find_sums
from autograd_mini.engine.operation import Operation
from autograd_mini.engine.operations import add
from autograd_mini.transforms.trees import NUMBER, Structure


def parts_of(graph: Graph, mapped: int, folded: bool = False) -> Parts:
    """Split a graph whose first arguments are the row of an example."""
    return split(graph, [Block((mapped,), True), Block((graph.arguments - mapped,), False)][mapped == 0 :], folded)


def forms(graph: Graph, mapped: int = 0, folded: bool = False) -> tuple[list[str], list[str], str]:
    """Give the printed steps, schedule and program of each part."""
    printed = str(graph), len(graph.operations), dict(graph.constants)
    parts = parts_of(graph, mapped, folded)
    steps = [choose_patterns(graph, part, find_sums(graph, part), {}) for part in parts.computed]
    before = list(map(str, steps))
    schedules = list(map(schedule, steps))
    structure = Structure(list, (), (NUMBER,) * len(graph.results))
    ordered = list(map(str, schedules))
    program = assign_slots(graph, parts, schedules, structure)
    assert (str(graph), len(graph.operations), dict(graph.constants)) == printed
    assert list(map(str, steps)) == before
    check(program)
    return before, ordered, str(program)


# Lowerings written out.


def test_a_length_is_written_out_and_its_operands_are_shared() -> None:
    graph = graph_of(6, ("hypot", 0, 1, 2, 3, 4, 5), ("hypot", 1, 2, 3, 4, 5), ("add", 6, 7), results=[8])
    before = str(graph)
    lines = str(expand(graph)).splitlines()
    assert str(graph) == before
    assert sum("= abs(" in line for line in lines) == 6
    assert not any("hypot" in line for line in lines)


def test_a_graph_without_such_operations_stays_as_it_is() -> None:
    graph = graph_of(2, ("dot", 0, 1, 0), ("fsum", 0, 1, 2), ("hypot", 0, 3), results=[4])
    assert expand(graph) is graph


def test_operations_of_users_may_contain_each_other() -> None:
    square = operation("square(x)", lambda x: x * x, lambda out, x: 2.0 * x)
    more = operation("more(x)", lambda x: x * x + 1.0, lambda out, x: 2.0 * x, lowering=lambda x: square(x) + 1.0)
    graph = graph_of(1, results=[1])
    graph.append(more, (0,))
    assert str(expand(graph)) == "v1 = mul(x0, x0)\nv2 = add(v1, 1.0)\nreturn v2"


@pytest.mark.parametrize("name", ["logsumexp", "hypot", "fsum", "sum"])
def test_code_does_not_grow_with_the_numbers_of_operands(name: str) -> None:
    pytest.importorskip("llvmlite", reason="native code needs the extra jit: llvmlite")

    def code(most: int) -> str:
        counts = range(1, most + 1)
        graph = graph_of(most, *[(name, *range(n)) for n in counts], results=[most + n - 1 for n in counts])
        structure = Structure(list, (), (NUMBER,) * most)
        return compile_graph(graph, [], [Block((most,), False)], None, structure, backend="llvm").code.text

    assert len(code(120)) < 2 * len(code(20))


def test_code_does_not_grow_with_the_number_of_operations_of_users_nor_with_their_length() -> None:
    pytest.importorskip("llvmlite", reason="native code needs the extra jit: llvmlite")

    def polynomial(n: int) -> Operation:
        return operation("p(x)", lambda x: sum([x * float(k) for k in range(n)]), lambda out, x: 1.0)

    def code(operations: list[Operation]) -> str:
        graph = graph_of(1, results=range(1, len(operations) + 1))
        for op in operations:
            graph.append(op, (0,))
        structure = Structure(list, (), (NUMBER,) * len(operations))
        return compile_graph(graph, [], [Block((), False)], None, structure, backend="llvm").code.text

    assert len(code([polynomial(10_000)])) < 2 * len(code([polynomial(100)]))
    assert len(code([polynomial(n) for n in range(10, 300)])) < 2 * len(code([polynomial(n) for n in range(10, 30)]))


# Parts, and what follows.


def test_what_is_the_same_for_all_examples_is_computed_once() -> None:
    graph = graph_of(3, ("mul", 1, 2), ("exp", 3), ("add", 0, 4), results=[5])
    once, each = parts_of(graph, 1).computed
    assert (once.nodes, each.nodes, each.stored) == ([3, 4], [5], [5])
    _, _, program = forms(graph, 1)
    assert program == (
        "u0 u1 = arguments\nu2 = 1.0\nexpression\n    u3 = exp(mul(u0, u1))\nfor each example, in 2 slots:\nload\n"
        "    s0 = array0[0]\nexpression\n    s1 = add(s0, u3)\nstore\n    result0 = s1"
    )


def test_nodes_that_one_node_needs_are_computed_within_its_expression() -> None:
    graph = graph_of(2, ("mul", 0, 1), ("sin", 2), ("cos", 3), ("sub", 4, 3), results=[5])
    (_, steps), _, program = forms(graph, 2)
    assert steps.splitlines()[:2] == ["3 <- expression 0 1", "5 <- expression 3"]
    assert "    s0 = sub(cos(s2), s2)" in program.splitlines()


def test_numbers_of_all_lanes_are_straight_line_code_with_the_results_that_are_needed() -> None:
    graph = graph_of(2, ("mul", 0, 1), ("sin", 2), ("cos", 3), ("sub", 4, 3), results=[3, 5])
    (steps,), _, program = forms(graph)
    assert steps == "3 5 <- expression 0 1"
    straight = ["v1 = mul(x0, x1)", "v2 = sin(v1)", "v3 = cos(v2)", "v4 = sub(v3, v2)", "give v2, v4"]
    assert [line.strip() for line in program.splitlines()][-7:-1] == [*straight, "given u0, u1; into u3 u4"]


def unrolled(rounds: int, begin: int = 0) -> Graph:
    """Do some additions, then x -> sin(x) * y + exp(z) again and again."""
    nodes: list[Any] = [("add", i + 2, 1) for i in range(begin)]
    for _ in range(rounds):
        last = len(nodes) + 2
        nodes += [("sin", last), ("mul", last + 1, 1), ("exp", 0), ("add", last + 2, last + 3), ("neg", last + 4)]
    return graph_of(3, *nodes, results=[len(nodes) + 2])


@pytest.mark.parametrize("begin", [0, 7])
def test_rounds_of_an_unrolled_loop_are_rows_of_one_pattern(begin: int) -> None:
    few, many = (forms(unrolled(rounds, begin))[1][0].split("\n\n") for rounds in (40, 4000))
    assert len(few) == len(many) <= 5
    assert max(batch.count("\n") for batch in many) > 350


def test_rounds_are_straight_line_code_beside_what_would_be_too_much_of_it() -> None:
    random = Random(0)
    nodes: list[Any] = [("sin", 0)]
    for i in range(3, 3 + 2500):  # after nodes 0 to 2, the arguments, and 3
        nodes.append((random.choice(["add", "mul", "sub"]), random.randrange(max(0, i - 30), i + 1), i))
    for _ in range(200):
        last = len(nodes) + 2
        nodes += [("sin", last), ("mul", last + 1, 1), ("exp", 0), ("add", last + 2, last + 3), ("neg", last + 4)]
    (steps,), _, _ = forms(graph_of(3, *nodes, results=[len(nodes) + 2]))
    rounds = [line for line in steps.splitlines() if int(line.split()[0]) > 2504]
    assert len(rounds) <= 25, "200 rounds of 5 operations, 10 together"
    assert steps.count("\n") > 1000, "the others are trees"


def test_no_piece_of_straight_line_code_goes_around_a_sum() -> None:
    terms = [("mul", i, 0) for i in range(20)]
    graph = graph_of(20, *terms, ("exp", 20), ("sum", *range(20, 40)), ("mul", 41, 40), results=[42])
    (steps,), _, _ = forms(graph)
    exp, total, product = steps.splitlines()[1], steps.splitlines()[0], steps.splitlines()[2]
    assert (total.split()[0], exp.split()[:2], product.split()[0]) == ("41", ["20", "40"], "42")


def test_numbers_that_are_common_stand_in_the_expression_and_others_are_loaded() -> None:
    _, _, program = forms(graph_of(1, 2.0, 7.0, ("mul", 0, 1), ("add", 3, 2), results=[4]))
    assert "    u4 = add(mul(u0, 2.0), u2)" in program.splitlines()


def test_steps_of_one_pattern_follow_one_another_and_may_need_each_other() -> None:
    graph = graph_of(2, ("sin", 0), ("cos", 0), ("sin", 3), ("cos", 1), ("sin", 5), results=[2, 3, 4, 5, 6])
    _, (_, ordered), _ = forms(graph, 2)
    assert ordered.split("\n\n")[:2] == [
        "3 <- expression 0\n5 <- expression 1",
        "2 <- expression 0\n4 <- expression 3\n6 <- expression 5",
    ]


def layer(rows: int, inputs: int) -> Graph:
    """Each example's vector, times a matrix that all examples share."""
    arguments = inputs * (rows + 1)
    sums: list[Any] = []
    results: list[int] = []
    for row in range(rows):
        first = arguments + len(sums)
        sums += [("mul", inputs * (row + 1) + i, i) for i in range(inputs)]
        sums.append(("sum", *range(first, first + inputs)))
        results.append(first + inputs)
    return graph_of(arguments, *sums, results=results)


def test_sums_that_share_factors_are_one_run() -> None:
    _, _, program = forms(layer(3, 5), 5)
    assert program.count("dot") == 1
    run = program.split("dot of shared factors\n")[1].splitlines()[:3]
    assert sorted(line.split(" = ")[1] for line in run) == [
        f"0.0 + u{first}..u{first + 4} . s0..s4" for first in (0, 10, 5)
    ]


def test_what_is_mixed_in_a_sum_is_copied_to_all_lanes() -> None:
    graph = graph_of(6, ("dot", 0, 1, 3, 3, 4, 5, 4), results=[6])
    (_, steps), _, _ = forms(graph, 2)
    assert steps.splitlines()[-2] == "6 <- dot 3 4 5 7 . 0 1 ~3 ~4"  # 7 is the number 1


def test_a_bias_that_is_added_last_leaves_sums_that_share_factors() -> None:
    graph = layer(4, 5)
    for row in range(4):
        graph.results[row] = graph.append(add, (graph.results[row], 5 + row))
    program = forms(graph, 5)[2]
    assert "dot of shared factors" in program
    assert program.count("add(s") == 4


def test_functions_of_a_number_and_of_its_negative_are_computed_together() -> None:
    graph = graph_of(
        2, ("mul", 0, 1), ("sigmoid", 2), ("neg", 2), ("sigmoid", 4), ("mul", 3, 5), ("exp", 3), results=[3, 6, 7]
    )
    steps = forms(graph, 2)[0][1].splitlines()
    assert sorted(steps[:2]) == ["3 6 <- expression 0 1", "7 <- expression 3"]


def test_products_over_all_examples_are_rectangles() -> None:
    products = [("mul", x, y) for x in (0, 1) for y in (2, 3, 4)]
    (_, steps), _, program = forms(graph_of(5, *products, results=range(5, 11)), 5, folded=True)
    assert steps == "[0, 1, 2, 3, 4, 5] <- outer 0 1 . 2 3 4"
    assert program.splitlines()[-1] == "    total0..total5 += s0 s1 x s2..s4"


def test_other_totals_are_folds() -> None:
    (_, steps), _, program = forms(graph_of(2, ("sin", 0), ("mul", 1, 0), results=[2, 1, 3]), 1, folded=True)
    assert [line for line in steps.splitlines() if "fold" in line] == [
        "[0] <- fold 2",
        "[1] <- fold ~1",
        "[2] <- fold 3",
    ]
    assert program.count(" += ") == 3


def chain(length: int, results: Sequence[int] = ()) -> Graph:
    nodes: list[Any] = []
    for i in range(length):
        name = ("sin", "cos")[i % 2]
        nodes += [(name, 1 + 2 * i - (i > 0) if i else 0), ("mul", 1 + 2 * i, 1 + 2 * i)]
    return graph_of(1, *nodes, results=[2 * length, *results])


def test_slots_are_used_again_after_their_last_reader() -> None:
    _, _, program = forms(chain(40), 1)
    assert "for each example, in 2 slots:" in program.splitlines()
    _, _, keeping = forms(chain(40, results=[1, 4]), 1)
    slots = int(keeping.split(" slots")[0].split()[-1])
    assert slots <= 6


def test_each_pass_is_timed() -> None:
    kernel = compile_graph(
        layer(2, 4), [], [Block((4,), True), Block((8,), False)], None, Structure(list, (), (NUMBER,) * 2)
    )
    assert {"expand", "split", "sums", "patterns", "schedule", "slots", "write"} <= set(kernel.seconds)
