// Loki of January 2021, Apache-2.0. `scripts/servers.py` builds it.
module loki

go 1.15

require (
	github.com/grafana/loki v1.6.2-0.20210126101127-33abab5e4203
	github.com/json-iterator/go v1.1.12 // Newer than Loki requires: older versions do not compile with Go 1.18.
	github.com/modern-go/reflect2 v1.0.2 // Newer for the same reason.
	github.com/opentracing-contrib/go-grpc v0.0.0-20210225150812-73cb765af46e // The first version with a licence.
)

// From the module of Loki.
replace (
	github.com/Azure/azure-sdk-for-go => github.com/Azure/azure-sdk-for-go v36.2.0+incompatible
	github.com/bradfitz/gomemcache => github.com/themihai/gomemcache v0.0.0-20180902122335-24332e2d58ab
	github.com/go-openapi/errors => github.com/go-openapi/errors v0.19.4
	github.com/go-openapi/validate => github.com/go-openapi/validate v0.19.8
	github.com/gocql/gocql => github.com/grafana/gocql v0.0.0-20200605141915-ba5dc39ece85
	github.com/hpcloud/tail => github.com/grafana/tail v0.0.0-20201004203643-7aa4e4a91f03
	github.com/satori/go.uuid => github.com/satori/go.uuid v1.2.0
	google.golang.org/grpc => google.golang.org/grpc v1.29.1
	k8s.io/client-go => k8s.io/client-go v0.19.2
)
