package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

const (
	drain = 30 * time.Second // what running calls are given, see ALLAMA_DRAIN_TIMEOUT
	user  = "65532:65532"
)

// keysOf says who may have a key.
var keysOf = map[string][]string{
	"OPENAI_API_KEY":    {"worker-openai"},
	"ANTHROPIC_API_KEY": {"worker-anthropic"},
	"OLLAMA_API_KEY":    {"worker-ollama"},
	"ALLAMA_SECRET_KEY": {"ingress", "worker-extra"},
}

// ours reports whether a service is a part of allama. The others only look on.
func ours(s types.ServiceConfig) bool { return s.Name != "prometheus" && s.Name != "grafana" }

// A rule is something that must hold.
type rule struct {
	holds bool
	why   string // what it is when it does not
}

func broken(rules ...rule) (found []string) {
	for _, r := range rules {
		if !r.holds {
			found = append(found, r.why)
		}
	}
	return found
}

func image(s types.ServiceConfig) []string {
	_, tag, ok := strings.Cut(s.Image[strings.LastIndexByte(s.Image, '/')+1:], ":")
	return broken(
		rule{ok && tag != "latest", "the image " + s.Image + " is of no version"},
		rule{s.ContainerName == "", "has a container_name, so it cannot be scaled"},
		// Several would be built at once, and all but the first fail for the
		// image being there; so one that the others wait for builds it.
		rule{s.Build == nil || once(s), "builds the image, too"},
		rule{s.Build != nil || !once(s), "does not build the image"},
	)
}

func limits(s types.ServiceConfig) []string {
	goLimit := 0
	if text := s.Environment["GOMEMLIMIT"]; text != nil {
		fmt.Sscanf(*text, "%dMiB", &goLimit)
	}
	owner, _, _ := strings.Cut(s.User, ":")
	share := float64(goLimit<<20) / float64(max(s.MemLimit, 1))
	return broken(
		rule{s.User == user || !ours(s) && owner != "" && owner != "0" && owner != "root", "runs as " + s.User},
		rule{s.ReadOnly, "can write to its image"},
		rule{slices.Equal(s.CapDrop, []string{"ALL"}) && len(s.CapAdd) == 0 && !s.Privileged, "has capabilities"},
		rule{slices.Contains(s.SecurityOpt, "no-new-privileges:true"), "may gain privileges"},
		rule{s.MemLimit > 0, "has no limit of memory"},
		rule{share > 0.7 && share < 0.9, fmt.Sprintf("GOMEMLIMIT is %.0f %% of its memory", 100*share)},
		rule{s.PidsLimit > 0, "has no limit of processes"},
		rule{s.Logging != nil && s.Logging.Options["max-size"] != "" && s.Logging.Options["max-file"] != "", "its log grows for ever"},
	)
}

func lifecycle(s types.ServiceConfig) []string {
	checked := s.HealthCheck != nil && !s.HealthCheck.Disable &&
		(!ours(s) || len(s.HealthCheck.Test) > 2 && slices.Equal(s.HealthCheck.Test[:3], []string{"CMD", "/allama", "health"}))
	var grace time.Duration
	if s.StopGracePeriod != nil {
		grace = time.Duration(*s.StopGracePeriod)
	}
	serves := s.Name == "ingress" || strings.HasPrefix(s.Name, "worker-")
	return broken(
		rule{checked || once(s), "is not asked for its health by its own binary"},
		rule{grace > 0, "has no stop_grace_period"},
		rule{!serves || grace > drain, fmt.Sprintf("is killed %v after it was told to stop, before its calls have ended", grace)},
		rule{s.Restart != "", "is not started again"},
	)
}

func reach(p *types.Project, s types.ServiceConfig) []string {
	var found []string
	for _, port := range s.Ports {
		found = append(found, broken(
			rule{s.Name == "ingress" || !ours(s), "publishes a port"},
			rule{port.HostIP == "127.0.0.1", "publishes a port to others than this machine"},
		)...)
	}
	_, bus := s.Networks["bus"]
	_, egress := s.Networks["egress"]
	_, metrics := s.Networks["metrics"]
	return append(found, broken(
		rule{bus || s.NetworkMode == "none" || !ours(s), "is not on the bus"},
		rule{ours(s) || !bus, "is on the bus, where it has no business"},
		rule{metrics || s.NetworkMode == "none" || !ours(s), "is not seen by Prometheus"},
		rule{!egress || strings.HasPrefix(s.Name, "worker-"), "has a way to providers"},
		rule{len(s.VolumesFrom) == 0, "has another's volumes"},
	)...)
}

// secrets finds keys with those who have no use for them, and more than one key
// of NATS with anybody but who makes them.
func secrets(s types.ServiceConfig) []string {
	var found []string
	for key, owners := range keysOf {
		for _, name := range []string{key, key + "_FILE", key + "S", key + "S_FILE"} {
			if _, ok := s.Environment[name]; ok && !slices.Contains(owners, s.Name) {
				found = append(found, "gets "+name)
			}
		}
	}
	for _, secret := range s.Secrets {
		owners, ok := keysOf[strings.ToUpper(secret.Source)]
		if ok && !slices.Contains(owners, s.Name) || !ok && s.Name != "ingress" {
			found = append(found, "gets the file "+secret.Source)
		}
	}
	if !ours(s) {
		return append(found, stranger(s)...)
	}
	keys := 0
	for _, v := range s.Volumes {
		if !strings.HasPrefix(v.Target, "/credentials/") {
			continue
		}
		keys++
		found = append(found, broken(rule{once(s) || v.ReadOnly, "can change the key in " + v.Target})...)
	}
	want := map[bool]string{false: "/credentials/" + map[string]string{"nats": "broker", "worker-extra": "worker"}[s.Name], true: ""}[once(s)]
	if want == "/credentials/" {
		want += s.Name
	}
	if keys != 1 && !once(s) || !once(s) && !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == want }) {
		found = append(found, "has not the one key that is its own, in "+want)
	}
	return found
}

// stranger finds what a service that is not ours could take or spoil.
func stranger(s types.ServiceConfig) (found []string) {
	for _, v := range s.Volumes {
		found = append(found, broken(
			rule{!strings.HasPrefix(v.Source, "key-"), "gets the key in " + v.Source},
			rule{v.Type != types.VolumeTypeBind || v.ReadOnly, "can change the file " + v.Source},
		)...)
	}
	return found
}
