//go:build tools

// Package influxd is never compiled: with go.mod and go.sum it pins the InfluxDB
// server that tools.servers builds, and the pkg-config that finds its Rust half.
package influxd

import (
	_ "github.com/influxdata/influxdb/v2/cmd/influxd"
	_ "github.com/influxdata/pkg-config"
)
