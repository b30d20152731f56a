// VictoriaLogs, Apache-2.0. `scripts/servers.py` builds it.
module victoria-logs

go 1.26.5

require github.com/VictoriaMetrics/VictoriaLogs v1.52.1
