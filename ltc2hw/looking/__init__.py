"""Networks, traces, reports and records as tables: in a terminal, in a notebook, as JSON."""
