package main

import (
	"fmt"
	"regexp"

	corev1 "k8s.io/api/core/v1"
)

// environment are the variables of a container, in their order, with what
// Secrets and ConfigMaps of the set hold.
func (s set) environment(c corev1.Container) (map[string]string, error) {
	all := map[string]string{}
	for _, v := range c.Env {
		value := v.Value
		if from := v.ValueFrom; from != nil {
			var ok bool
			switch {
			case from.SecretKeyRef != nil:
				if value, ok = s.secret(from.SecretKeyRef.Name, from.SecretKeyRef.Key); !ok {
					return nil, fmt.Errorf("%s: there is no key %q in a Secret %q", v.Name, from.SecretKeyRef.Key, from.SecretKeyRef.Name)
				}
			case from.ConfigMapKeyRef != nil:
				if value, ok = s.config(from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key); !ok {
					return nil, fmt.Errorf("%s: there is no key %q in a ConfigMap %q", v.Name, from.ConfigMapKeyRef.Key, from.ConfigMapKeyRef.Name)
				}
			default:
				return nil, fmt.Errorf("%s: comes from something that this check does not know", v.Name)
			}
		}
		value, err := expand(value, all)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.Name, err)
		}
		all[v.Name] = value
	}
	return all, nil
}

var reference = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)

// expand puts in the variables that come before, as Kubernetes does. What it
// would leave as it is, is a mistake here.
func expand(text string, known map[string]string) (string, error) {
	var err error
	text = reference.ReplaceAllStringFunc(text, func(ref string) string {
		value, ok := known[ref[2:len(ref)-1]]
		if !ok {
			err = fmt.Errorf("%s is no variable that comes before", ref)
		}
		return value
	})
	return text, err
}

func (s set) secret(name, key string) (string, bool) {
	for _, o := range s {
		if d, ok := o.data.(*corev1.Secret); ok && d.Name == name {
			value, ok := d.StringData[key]
			return value, ok
		}
	}
	return "", false
}

func (s set) config(name, key string) (string, bool) {
	for _, o := range s {
		if d, ok := o.data.(*corev1.ConfigMap); ok && d.Name == name {
			value, ok := d.Data[key]
			return value, ok
		}
	}
	return "", false
}

// secrets are the names of the variables that hold one, or a part of one.
func secrets(c corev1.Container) map[string]bool {
	hidden := map[string]bool{}
	for _, v := range c.Env {
		if v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil {
			hidden[v.Name] = true
		}
		for _, ref := range reference.FindAllStringSubmatch(v.Value, -1) {
			if hidden[ref[1]] {
				hidden[v.Name] = true
			}
		}
	}
	return hidden
}
