package pulsartest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Domains of topics.
const (
	persistent    = "persistent"
	nonPersistent = "non-persistent"
)

// wordRule is Pulsar's rule for the names of tenants and namespaces
// (NamedEntity).
var wordRule = regexp.MustCompile(`^[-=:.\w]+$`)

// joinName makes the full name of a topic.
func joinName(domain, tenant, namespace, topic string) (string, error) {
	switch {
	case domain != persistent && domain != nonPersistent:
		return "", fmt.Errorf("domain %q is neither persistent nor non-persistent", domain)
	case !wordRule.MatchString(tenant):
		return "", fmt.Errorf("tenant %q: invalid name", tenant)
	case !wordRule.MatchString(namespace):
		return "", fmt.Errorf("namespace %q: invalid name", namespace)
	case topic == "":
		return "", fmt.Errorf("the topic's name is empty")
	}
	return domain + "://" + tenant + "/" + namespace + "/" + topic, nil
}

// fullName makes a full name of a full one, of tenant/namespace/topic, or of a
// topic of public/default.
func fullName(name string) (string, error) {
	domain, rest, ok := strings.Cut(name, "://")
	if !ok {
		domain, rest = persistent, name
		if !strings.Contains(name, "/") {
			rest = "public/default/" + name
		}
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) != 3 {
		return "", fmt.Errorf("pulsartest: topic %q: want tenant/namespace/topic", name)
	}
	full, err := joinName(domain, parts[0], parts[1], parts[2])
	if err != nil {
		return "", fmt.Errorf("pulsartest: topic %q: %w", name, err)
	}
	return full, nil
}

func partitionName(topic string, i int) string { return topic + "-partition-" + strconv.Itoa(i) }
