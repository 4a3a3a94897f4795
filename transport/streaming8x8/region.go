package streaming8x8

import (
	"slices"
	"strconv"
	"strings"

	"github.com/eventdelivery/eds-go/eds"
)

// The hosts that 8x8 lists as available. Source: "Connection Guide".
const (
	HostUK3 = "pulsar-ws-euw2.8x8.com"
	HostUS1 = "pulsar-ws-use1.8x8.com"
	HostUS2 = "pulsar-ws-usw2.8x8.com"
)

// region is a row of the table "Available Regions" in "Connection Guide".
type region struct {
	name     string
	host     string // "" where 8x8 has none yet
	clusters []string
}

var regions = []region{
	{"UK3", HostUK3, numbered("EU", 4, 14)},
	{"US1", HostUS1, slices.Concat(numbered("NA", 1, 6), numbered("NA", 11, 16), []string{"SB1"})},
	{"US2", HostUS2, slices.Concat(numbered("NA", 7, 10), numbered("NA", 17, 20), numbered("NA", 27, 30), numbered("NA", 37, 39))},
	{"HK1", "", []string{"AP1"}},
	{"HK2", "", []string{"AP21"}},
	{"LH1", "", []string{"EU21"}},
	{"ON1", "", numbered("BC", 1, 3)},
	{"PA1", "", []string{"EU31"}},
	{"SK1", "", numbered("CA", 1, 2)},
	{"SY1", "", numbered("AU", 1, 2)},
}

// Host returns the host of an 8x8 region, such as UK3, in whatever case. An
// unknown region, and one that 8x8 lists as pending, is an *eds.ConfigError
// that names those with a host. 8x8 adds hosts at any time: a host that is not
// known here may be given to NewConsumer and NewReader as it is.
//
// A host of the wrong region accepts the key and stays silent.
func Host(name string) (string, error) {
	for _, r := range regions {
		if strings.EqualFold(r.name, strings.TrimSpace(name)) {
			return r.hostFor("8x8 region", name)
		}
	}
	return "", unknown("8x8 region", name, "is not known", func(r region) string { return r.name })
}

// HostOfCluster returns the host for a Contact Center cluster, such as NA7, in
// whatever case. The cluster is what follows vcc- in the address of
// Configuration Manager, which is accepted too: vcc-na7.8x8.com. Errors are
// those of Host.
func HostOfCluster(cluster string) (string, error) {
	bare := strings.ToUpper(strings.TrimSpace(cluster))
	bare = strings.TrimSuffix(strings.TrimPrefix(bare, "VCC-"), ".8X8.COM")
	for _, r := range regions {
		if slices.Contains(r.clusters, bare) {
			return r.hostFor("8x8 cluster", cluster)
		}
	}
	return "", unknown("8x8 cluster", cluster, "is not known", func(r region) string { return strings.Join(r.clusters, ", ") })
}

func (r region) hostFor(setting, value string) (string, error) {
	if r.host == "" {
		return "", unknown(setting, value, "is in region "+r.name+", for which 8x8 has no host yet", func(r region) string { return r.name })
	}
	return r.host, nil
}

// unknown lists what each region with a host is called in the caller's terms.
func unknown(setting, value, why string, called func(region) string) error {
	var have []string
	for _, r := range regions {
		if r.host != "" {
			have = append(have, called(r))
		}
	}
	return &eds.ConfigError{Setting: setting, Value: value, Reason: why + "; known are " + strings.Join(have, ", ")}
}

func numbered(prefix string, from, to int) []string {
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, prefix+strconv.Itoa(n))
	}
	return all
}
