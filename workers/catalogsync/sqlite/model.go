package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
)

func loadModels(ctx context.Context, conn *sql.Conn, provider string) (records []Record, err error) {
	rows, err := conn.QueryContext(ctx, `
		SELECT native_id, display_name, kind, owned_by, capabilities, modalities, context_length, max_output,
			price_input, price_output, price_cached, facts, details, digest, size,
			created, modified, first_seen, last_seen, stale, absences, raw
		FROM models WHERE provider = ? ORDER BY id`, provider)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r := Record{Model: catalog.Model{Provider: provider}}
		// What has a column comes after the document that does not have it.
		err := rows.Scan(&r.ID, &r.DisplayName, &r.Kind, &r.OwnedBy, document[[]string]{&r.Capabilities}, document[catalog.Modalities]{&r.Modalities},
			&r.ContextLength, &r.MaxOutput, &r.Prices.Input, &r.Prices.Output, &r.Prices.CachedInput,
			document[llm.Facts]{&r.Facts}, document[catalog.Details]{&r.Details}, &r.Digest, &r.Size,
			(*millis)(&r.Created), (*millis)(&r.Modified), (*millis)(&r.FirstSeen), (*millis)(&r.LastSeen),
			&r.Stale, &r.Absences, (*text)(&r.Raw))
		if err != nil {
			return nil, unreadable(err)
		}
		records = append(records, r)
	}
	return records, rows.Err()
}

const upsertModel = `
	INSERT INTO models (provider, native_id, display_name, kind, owned_by, capabilities, modalities, context_length, max_output,
		price_input, price_output, price_cached, facts, details, digest, size,
		created, modified, first_seen, last_seen, stale, absences, raw)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (provider, native_id) DO UPDATE SET
		display_name = excluded.display_name, kind = excluded.kind, owned_by = excluded.owned_by,
		capabilities = excluded.capabilities, modalities = excluded.modalities,
		context_length = excluded.context_length, max_output = excluded.max_output,
		price_input = excluded.price_input, price_output = excluded.price_output, price_cached = excluded.price_cached,
		facts = excluded.facts, details = excluded.details, digest = excluded.digest, size = excluded.size,
		created = excluded.created, modified = excluded.modified,
		first_seen = excluded.first_seen, last_seen = excluded.last_seen,
		stale = excluded.stale, absences = excluded.absences, raw = excluded.raw`

func saveModels(ctx context.Context, tx *sql.Tx, e Entry) error {
	stmt, err := tx.PrepareContext(ctx, upsertModel)
	if err != nil {
		return err
	}
	defer stmt.Close()
	keep := make(map[string]bool, len(e.Models))
	for i := range e.Models {
		keep[e.Models[i].ID] = true
		if err := saveModel(ctx, stmt, e.Provider.Name, &e.Models[i]); err != nil {
			return err
		}
	}
	return removeOthers(ctx, tx, keep,
		`SELECT native_id FROM models WHERE provider = ?`,
		`DELETE FROM models WHERE provider = ? AND native_id = ?`, e.Provider.Name)
}

func saveModel(ctx context.Context, stmt *sql.Stmt, provider string, r *Record) error {
	facts, details := r.Facts, r.Details
	facts.MaxOutput, details.Digest, details.Size = 0, "", 0 // have columns
	raw := text(r.Raw)
	if !json.Valid(raw) {
		raw = nil
	}
	_, err := stmt.ExecContext(ctx, provider, r.ID, r.DisplayName, r.Kind, r.OwnedBy,
		document[[]string]{&r.Capabilities}, document[catalog.Modalities]{&r.Modalities},
		r.ContextLength, r.MaxOutput, r.Prices.Input, r.Prices.Output, r.Prices.CachedInput,
		document[llm.Facts]{&facts}, document[catalog.Details]{&details}, r.Digest, r.Size,
		millis(r.Created), millis(r.Modified), millis(r.FirstSeen), millis(r.LastSeen), r.Stale, r.Absences, raw)
	return err
}
