"""Tables as text: nothing in a cell breaks the format it stands in."""

import csv
import io

from metasim.benchmarks import statistics
from metasim.benchmarks.tables import Table, records_table

ODD = 'a|b\nc "d", 100 % & $x_1$ \\ ~^{#} <–>'


def test_odd_words_in_every_format():
    table = Table(columns=("name", "n"), rows=((ODD, 1), (None, 2.5)))
    lines = table.markdown().splitlines()
    assert len(lines) == 4 and all(line.replace("\\|", "").count("|") == 3 for line in lines)
    assert list(csv.reader(io.StringIO(table.csv()))) == [["name", "n"], [ODD, "1"], ["", "2.5"]]
    (line,) = [line for line in table.latex().splitlines() if line.startswith("a|b")]
    assert line == (
        r'a|b c "d", 100 \% \& \$x\_1\$ \textbackslash{} \textasciitilde{}\textasciicircum{}\{\#\}'
        r" \textless{}--\textgreater{} & 1 \\"
    )


def test_records_are_the_numbers_of_the_rows(results):
    rows, totals = statistics.summarise(results), statistics.overall(results)
    records = statistics.task_records(rows)
    assert [(r["task"], r["solved_any"], r["success_any_low"]) for r in records] == [
        (row.task, row.success_any.successes, row.success_any.low) for row in rows
    ]
    read = list(csv.DictReader(io.StringIO(records_table(statistics.overall_records(totals)).csv())))
    assert [float(r["iqm_any_high"]) for r in read] == [o.any_step.iqm.high for o in totals]
    assert [float(r["optimality_gap_last"]) for r in read] == [o.last_step.optimality_gap.value for o in totals]
    assert len(statistics.task_table(rows).rows) == len(rows)
