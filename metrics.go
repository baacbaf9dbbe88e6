package main

import (
	"runtime/debug"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/metrics"
)

// newMetrics returns what a process counts.
func (p *process) newMetrics() *metrics.Registry {
	r := metrics.New(metrics.Build{Version: version(), Revision: revision()}, p.log)
	connection := []string{"connection"}
	r.Watch([]metrics.Family{
		{Name: natsConnected, Help: "1: the connection to NATS is there.", Labels: connection},
		{Name: natsReconnects, Help: "How often the connection to NATS has come back.", Labels: connection, Total: true},
		{Name: natsPending, Help: "Bytes that wait to be sent to NATS.", Labels: connection},
	}, p.readLinks)
	return r
}

// The families of the connections to NATS.
const (
	natsConnected  = "nats_connected"
	natsReconnects = "nats_reconnects_total"
	natsPending    = "nats_pending_bytes"
)

// readLinks emits how the connections are. All of them are there before anybody
// can ask.
func (p *process) readLinks(emit metrics.Emit) {
	for _, l := range p.links {
		name := strings.TrimPrefix(l.nc.Opts.Name, "allama ")
		emit(natsConnected, metrics.Bool(l.nc.IsConnected()), name)
		emit(natsReconnects, float64(l.nc.Stats().Reconnects), name)
		if n, err := l.nc.Buffered(); err == nil { // while it is closed there is no such number
			emit(natsPending, float64(n), name)
		}
	}
}

// revision is the commit that the program was built of; empty where the Go
// command did not know.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "vcs.revision" })
	if i < 0 {
		return ""
	}
	return info.Settings[i].Value
}
