package grafana

// sum is a PromQL function of a counter, summed by labels.
func sum(function, metric, by string) string {
	if by != "" {
		by = " by (" + by + ") "
	}
	return "sum" + by + "(" + function + "(" + metric + "[$__rate_interval]))"
}

func perSecond(metric, by string) string { return sum("rate", metric, by) }

func increase(metric, by string) string { return sum("increase", metric, by) }

// quantile is a histogram's, by further labels where they are given with a comma before them.
func quantile(q, metric, by string) string {
	return "histogram_quantile(" + q + ", " + perSecond(metric+"_bucket", "le"+by) + ")"
}

func pipeline() Dashboard {
	return Dashboard{
		Name: "pipeline", title: "Pipeline", from: "now-3h",
		about:     "From the SDK to ClickHouse: rates, latencies, what waits, and what was refused or set aside, with reasons.",
		variables: []any{},
		panels: []panel{
			{title: "Events accepted", kind: "stat", w: 4, h: 4, unit: "eps",
				about: "On agents' disks and acknowledged.",
				prom:  []expr{{perSecond("gosight_ingest_accepted_events_total", ""), "events"}}},
			{title: "Ack, p99", kind: "stat", w: 4, h: 4, unit: "s",
				about: "From a decoded request to its acknowledgement.",
				prom:  []expr{{quantile("0.99", "gosight_ingest_ack_seconds", ""), "p99"}}},
			{title: "Agent to store, p99", kind: "stat", w: 4, h: 4, unit: "s",
				about: "Until rows can be queried.",
				prom:  []expr{{quantile("0.99", "gosight_process_batch_age_seconds", ""), "p99"}}},
			{title: "Waiting at the edge", kind: "stat", w: 4, h: 4, unit: "bytes",
				about: "On agents' disks, not yet delivered.",
				prom:  []expr{{`sum(gosight_queue_depth_bytes)`, "bytes"}}},
			{title: "Waiting in Kafka", kind: "stat", w: 4, h: 4, about: "Batches not yet processed.",
				prom: []expr{{`sum(gosight_bus_lag_records)`, "batches"}}},
			{title: "Lost", kind: "stat", w: 4, h: 4,
				about: "Acknowledged, and not given back by a disk or deleted by Kafka's retention. Not zero: look now.",
				prom: []expr{{
					`sum(gosight_queue_lost_values_total) + sum(gosight_queue_lost_groups_total) + sum(gosight_bus_expired_records_total)`,
					"lost",
				}}},

			{kind: "row", title: "Edge: ingest"},
			{title: "Events accepted", kind: "timeseries", w: 8, h: 8, unit: "eps", stack: true,
				about: "By agent and lane.",
				prom: []expr{{
					perSecond("gosight_ingest_accepted_events_total", "instance, lane"),
					"{{instance}} {{lane}}",
				}}},
			{title: "Refused, by reason", kind: "timeseries", w: 8, h: 8, unit: "eps",
				about: "Nothing of these was stored.",
				prom: []expr{
					{perSecond("gosight_ingest_rejected_events_total", "reason"), "events: {{reason}}"},
					{perSecond("gosight_ingest_refused_requests_total", "reason"), "requests: {{reason}}"},
					{perSecond("gosight_queue_refused_values_total", "lane, reason"), "queue, {{lane}}: {{reason}}"},
				}},
			{title: "Ack latency", kind: "timeseries", w: 8, h: 8, unit: "s",
				about: "From a decoded request to its acknowledgement.",
				prom: []expr{
					{quantile("0.5", "gosight_ingest_ack_seconds", ""), "p50"},
					{quantile("0.99", "gosight_ingest_ack_seconds", ""), "p99"},
					{quantile("0.99", "gosight_queue_commit_seconds", ", lane"), "fsync {{lane}}, p99"},
				}},
			{title: "First-pass signals", kind: "timeseries", w: 8, h: 8, unit: "cps",
				about: "By kind, revisions included.",
				prom: []expr{
					{perSecond("gosight_ingest_signals_total", "kind"), "{{kind}}"},
					{perSecond("gosight_ingest_unqueued_signals_total", ""), "left to the second pass"},
				}},
			{title: "Personal data taken out", kind: "timeseries", w: 8, h: 8, unit: "cps",
				about: "Places masked in payloads and URLs.",
				prom:  []expr{{perSecond("gosight_ingest_masked_total", "instance"), "{{instance}}"}}},
			{title: "Queue on disk", kind: "timeseries", w: 8, h: 8, unit: "percentunit",
				about: "At 80 % replay is refused, at 100 % everything.",
				prom:  []expr{{`gosight_queue_disk_bytes / gosight_queue_disk_limit_bytes`, "{{instance}}"}}},

			{kind: "row", title: "Edge: queue and relay"},
			{title: "Waiting", kind: "timeseries", w: 8, h: 8, unit: "bytes", about: "Undelivered bytes.",
				prom: []expr{{`gosight_queue_depth_bytes`, "{{instance}} {{lane}}"}}},
			{title: "Oldest that waits", kind: "timeseries", w: 8, h: 8, unit: "s",
				about: "Age of the oldest undelivered batch.",
				prom:  []expr{{`gosight_queue_oldest_seconds`, "{{instance}} {{lane}}"}}},
			{title: "Damage", kind: "timeseries", w: 8, h: 8,
				about: "What disks did not keep; see agent/queue/DESIGN.md.",
				prom: []expr{
					{increase("gosight_queue_sealed_segments_total", "instance, lane"), "sealed {{instance}} {{lane}}"},
					{increase("gosight_queue_damaged_segments_total", "instance, lane"), "quarantined {{instance}} {{lane}}"},
					{increase("gosight_queue_lost_values_total", "instance, lane, reason"), "lost {{instance}} {{lane}}: {{reason}}"},
				}},
			{title: "Relay, by transport", kind: "timeseries", w: 8, h: 8, unit: "reqps",
				about: "Frames sent over HTTP/3 or HTTP/2.",
				prom: []expr{{
					perSecond("gosight_forward_requests_total", "instance, transport"),
					"{{instance}} {{transport}}",
				}}},
			{title: "Relay, acknowledged after", kind: "timeseries", w: 8, h: 8, unit: "s",
				about: "Without retries.",
				prom: []expr{
					{quantile("0.5", "gosight_forward_seconds", ", instance"), "{{instance}} p50"},
					{quantile("0.99", "gosight_forward_seconds", ", instance"), "{{instance}} p99"},
				}},
			{title: "Relay, repeated and refused", kind: "timeseries", w: 8, h: 8, unit: "cps",
				about: "Repeated frames count once all the same.",
				prom: []expr{
					{perSecond("gosight_forward_retries_total", "aggregator, reason"), "{{aggregator}}: {{reason}}"},
					{perSecond("gosight_forward_http3_failures_total", "aggregator"), "{{aggregator}}: no HTTP/3"},
					{perSecond("gosight_forward_rejected_total", "reason"), "set aside: {{reason}}"},
				}},
			{title: "Compression", kind: "timeseries", w: 8, h: 8,
				about: "Bytes of batches for one byte on the wire.",
				prom: []expr{{perSecond("gosight_forward_raw_bytes_total", "instance") + " / " +
					perSecond("gosight_forward_wire_bytes_total", "instance"), "{{instance}}"}}},
			{title: "Over HTTP/3 now", kind: "timeseries", w: 8, h: 8, about: "1 over HTTP/3, 0 over HTTP/2.",
				prom: []expr{{`gosight_forward_http3`, "{{instance}} to {{aggregator}}"}}},
			{title: "Frames in flight", kind: "timeseries", w: 8, h: 8, about: "Being sent.",
				prom: []expr{{`gosight_forward_in_flight_frames`, "{{instance}}"}}},

			{kind: "row", title: "Centre: receive and Kafka"},
			{title: "Batches received", kind: "timeseries", w: 8, h: 8, unit: "cps", stack: true,
				about: "By aggregator and lane.",
				prom: []expr{{
					perSecond("gosight_receive_batches_total", "instance, lane"),
					"{{instance}} {{lane}}",
				}}},
			{title: "Agents refused, by reason", kind: "timeseries", w: 8, h: 8, unit: "reqps",
				about: "They come again, unless their token is unknown.",
				prom: []expr{
					{perSecond("gosight_receive_refused_total", "reason"), "{{reason}}"},
					{perSecond("gosight_bus_produce_errors_total", "reason"), "Kafka: {{reason}}"},
				}},
			{title: "Kafka's ack", kind: "timeseries", w: 8, h: 8, unit: "s", about: "On all in-sync replicas.",
				prom: []expr{
					{quantile("0.5", "gosight_receive_produce_seconds", ""), "p50"},
					{quantile("0.99", "gosight_receive_produce_seconds", ""), "p99"},
				}},
			{title: "Kafka lag", kind: "timeseries", w: 8, h: 8, about: "Batches that a member has still to read.",
				prom: []expr{{`sum by (instance) (gosight_bus_lag_records)`, "{{instance}}"}}},
			{title: "Partitions", kind: "timeseries", w: 8, h: 8,
				about: "Read by each member; a step is a rebalance.",
				prom: []expr{
					{`gosight_bus_assigned_partitions`, "{{instance}}"},
					{increase("gosight_bus_consumer_restarts_total", "instance, reason"), "restarts {{instance}}: {{reason}}"},
				}},
			{title: "Dead letters", kind: "timeseries", w: 8, h: 8,
				about: "Kept in the dead-letter topic, with the reason.",
				prom: []expr{
					{increase("gosight_bus_dead_letters_total", "reason"), "not understood: {{reason}}"},
					{increase("gosight_bus_produce_dead_letters_total", "reason"), "not taken: {{reason}}"},
				}},

			{kind: "row", title: "Centre: process and ClickHouse"},
			{title: "Events processed", kind: "timeseries", w: 8, h: 8, unit: "eps", stack: true,
				about: "Repeats included.",
				prom: []expr{{
					perSecond("gosight_process_events_total", "instance, lane"),
					"{{instance}} {{lane}}",
				}}},
			{title: "Agent to store", kind: "timeseries", w: 8, h: 8, unit: "s",
				about: "From when an agent took a batch until its rows could be queried.",
				prom: []expr{
					{quantile("0.5", "gosight_process_batch_age_seconds", ", lane"), "{{lane}} p50"},
					{quantile("0.99", "gosight_process_batch_age_seconds", ", lane"), "{{lane}} p99"},
				}},
			{title: "Signals, by pass", kind: "timeseries", w: 8, h: 8, unit: "cps",
				about: "Statements about signals, revisions included.",
				prom: []expr{
					{perSecond("gosight_process_signals_total", "kind, detected_by"), "{{kind}}, {{detected_by}}"},
					{perSecond("gosight_process_detect_unused_total", "reason"), "not used: {{reason}}"},
				}},
			{title: "Rows inserted", kind: "timeseries", w: 8, h: 8, unit: "rowsps", stack: true,
				about: "By table, repeats included.",
				prom:  []expr{{perSecond("gosight_store_inserted_rows_total", "table"), "{{table}}"}}},
			{title: "Inserts take", kind: "timeseries", w: 8, h: 8, unit: "s",
				about: "99th percentile, and what failed.",
				prom: []expr{
					{quantile("0.99", "gosight_store_insert_seconds", ", table"), "{{table}} p99"},
					{perSecond("gosight_store_insert_errors_total", "table, reason"), "failed, {{table}}: {{reason}}"},
				}},
			{title: "Tables", kind: "table", w: 8, h: 8,
				about:   "Above some 300 parts ClickHouse slows inserts down.",
				columns: []column{{name: "on disk", unit: "bytes"}, {name: "raw", unit: "bytes"}},
				sql: `SELECT table, count() AS parts, sum(rows) AS rows, sum(data_compressed_bytes) AS "on disk",
  sum(data_uncompressed_bytes) AS raw, raw / greatest(1, "on disk") AS ratio
FROM system.parts WHERE database = 'gosight' AND active GROUP BY table ORDER BY "on disk" DESC, table`},

			{kind: "row", title: "Programs"},
			{title: "API, p95", kind: "timeseries", w: 6, h: 8, unit: "s", about: "By route.",
				prom: []expr{
					{quantile("0.95", "gosight_api_request_seconds", ", route"), "{{route}}"},
				}},
			{title: "API, refused and live", kind: "timeseries", w: 6, h: 8,
				about: "Requests not answered with data, and open streams.",
				prom: []expr{
					{perSecond("gosight_api_refused_total", "reason"), "{{reason}}"},
					{`sum(gosight_api_live_streams)`, "live streams"},
					{perSecond("gosight_api_live_dropped_total", ""), "streams too slow"},
				}},
			{title: "Memory", kind: "timeseries", w: 6, h: 8, unit: "bytes", about: "Resident.",
				prom: []expr{{`process_resident_memory_bytes{job=~"gosight-.*"}`, "{{instance}}"}}},
			{title: "CPU", kind: "timeseries", w: 6, h: 8, unit: "percentunit", about: "Of one core.",
				prom: []expr{{
					`rate(process_cpu_seconds_total{job=~"gosight-.*"}[$__rate_interval])`,
					"{{instance}}",
				}}},
		},
	}
}
