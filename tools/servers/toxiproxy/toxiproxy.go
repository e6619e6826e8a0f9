//go:build tools

// Package toxiproxy is never compiled: with go.mod and go.sum it pins the proxy
// that tools.servers builds, which breaks connections as networks do.
package toxiproxy

import _ "github.com/Shopify/toxiproxy/v2/cmd/server"
