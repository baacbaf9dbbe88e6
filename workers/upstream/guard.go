package upstream

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
)

// errGuarded is returned for an address that is not called for just anybody.
var errGuarded = errors.New("the address is link-local or a cloud's own, where secrets of this machine are kept")

// forbidden are the networks in which clouds keep what only the machine itself
// may know, besides what is link-local.
var forbidden = []netip.Prefix{
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud
	netip.MustParsePrefix("fd00:ec2::/32"),      // AWS
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google Cloud
}

// Of IPv6 addresses that mean one of IPv4, the networks and where that begins.
var translated = map[netip.Prefix]int{
	netip.MustParsePrefix("64:ff9b::/96"): 12, // NAT64
	netip.MustParsePrefix("2002::/16"):    2,  // 6to4
	netip.MustParsePrefix("::/96"):        12, // as IPv4 was written once
}

// CheckAddress says whether an IP address is one at which
// no provider is that was defined by a client: to have allama call it would tell
// the client what only this machine may know. Loopback and private addresses are
// none of them, for an Ollama lives there. A name is not looked up here; what it
// leads to is checked by whoever dials.
func CheckAddress(host string) error {
	if ip, err := netip.ParseAddr(host); err == nil && isForbidden(ip) {
		return errGuarded
	}
	return nil
}

func isForbidden(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for network, begin := range translated {
		if network.Contains(ip) {
			bytes := ip.As16()
			if v4 := netip.AddrFrom4([4]byte(bytes[begin : begin+4])); isForbidden(v4) {
				return true
			}
		}
	}
	return ip.IsLinkLocalUnicast() || ip.IsMulticast() ||
		slices.ContainsFunc(forbidden, func(network netip.Prefix) bool { return network.Contains(ip) })
}

// guardDial is the control function of a dialer that keeps to CheckAddress, by
// whatever name the address was found.
func guardDial(_, address string, _ syscall.RawConn) error {
	dialled, err := netip.ParseAddrPort(address)
	if err != nil || isForbidden(dialled.Addr()) {
		return errGuarded
	}
	return nil
}
