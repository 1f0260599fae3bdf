"""From the journal's columns to a `Summary`.

`catalog` is the table of all metrics: what each is called, counted in and made of. `reading` brings the
journal into numpy `columns`, `stats` aggregates one metric, `exactness` tells how far the figures can be
trusted, `notes` what else a reader must know, and `compute` makes the summary of it all. No I/O, no clock;
numpy and pyarrow load when a summary is computed, not when the table is read.
"""
