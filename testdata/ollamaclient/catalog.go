package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/ollama/ollama/api"
)

var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (u *user) version(ctx context.Context) (err error) {
	u.got.Text, err = u.Version(ctx)
	return err
}

func (u *user) status(ctx context.Context) error {
	got, err := u.CloudStatusExperimental(ctx)
	if err == nil && !got.Cloud.Disabled {
		u.got.wrong("there is a cloud")
	}
	return err
}

// list checks all models, and shows those whose names hold what is asked for.
func (u *user) list(ctx context.Context) error {
	got, err := u.List(ctx)
	if err != nil {
		return err
	}
	var last time.Time
	for i, m := range got.Models {
		if m.Name != m.Model || !strings.Contains(m.Name, ":") || m.Size < 1 || !digest.MatchString(m.Digest) {
			u.got.wrong("a model is not as clients expect it: %+v", m)
		}
		if i > 0 && m.ModifiedAt.After(last) || m.ModifiedAt.IsZero() {
			u.got.wrong("%s is newer than the one before it, or has no date", m.Name)
		}
		u.details(m.Name, m.Details)
		last = m.ModifiedAt
		if strings.Contains(m.Name, u.model) {
			u.got.Listed = append(u.got.Listed, m)
		}
	}
	return nil
}

func (u *user) details(name string, d api.ModelDetails) {
	if d.Format == "" || d.Family == "" || d.ParameterSize == "" || d.QuantizationLevel == "" {
		u.got.wrong("%s: something is missing in %+v", name, d)
	}
}

func (u *user) running(ctx context.Context) error {
	got, err := u.ListRunning(ctx)
	if err != nil {
		return err
	}
	for _, m := range got.Models {
		u.got.Listed = append(u.got.Listed, api.ListModelResponse{Name: m.Name, Model: m.Model})
	}
	return nil
}

// show describes a model twice: by the name of the field that is current, and
// by the older one.
func (u *user) show(ctx context.Context) error {
	got, err := u.Show(ctx, &api.ShowRequest{Model: u.model})
	if err != nil {
		return err
	}
	older, err := u.Show(ctx, &api.ShowRequest{Name: u.model})
	if err != nil {
		return err
	}
	architecture, _ := got.ModelInfo["general.architecture"].(string)
	if got.ModifiedAt.IsZero() || architecture == "" || older.Details.Family != got.Details.Family {
		u.got.wrong("no date, no architecture, or not twice the same: %+v, %+v", got, older)
	}
	u.details(u.model, got.Details)
	u.got.Text = fmt.Sprint(architecture, got.Capabilities)
	return nil
}

func (u *user) pull(ctx context.Context) error {
	return u.Pull(ctx, &api.PullRequest{Model: u.model, Stream: u.streaming()}, func(p api.ProgressResponse) error {
		u.got.Text, u.got.Reason = u.got.Text+p.Status+"\n", p.Status
		return nil
	})
}
