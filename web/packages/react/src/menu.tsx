import { type FormEvent, useId, useState } from 'react';
import { Icon } from './icons.js';
import type { MenuEntry, ProfileField, ProfileOptions } from './menu-types.js';
import type { PanelView } from './panel.js';
import type { ChatKitWidgetState } from './use-chatkit-widget.js';

interface MenuProps {
  widget: ChatKitWidgetState;
  entries: readonly MenuEntry[];
  profile: ProfileOptions | undefined;
  onView: (view: PanelView) => void;
}

/** What the site offers beside the chat: its entries, the profile, the way out. */
export function Menu({ widget, entries, profile, onView }: MenuProps) {
  const { labels, gate } = widget;
  return (
    <ul className="entries" part="menu">
      {entries.map((entry) => (
        <li key={entry.label}>
          <Entry entry={entry} widget={widget} onDone={() => onView('chat')} />
        </li>
      ))}
      {profile !== undefined && (
        <li>
          <button type="button" className="entry" onClick={() => onView('profile')}>
            <Icon name="user" />
            {labels.profile}
          </button>
        </li>
      )}
      {gate.isVisitor && (
        <li>
          <button type="button" className="entry" onClick={gate.login}>
            <Icon name="enter" />
            {labels.signIn}
          </button>
        </li>
      )}
      {gate.logout !== null && (
        <li>
          <button type="button" className="entry" onClick={gate.logout}>
            <Icon name="leave" />
            {gate.user?.name == null ? labels.signOut : `${labels.signOut} (${gate.user.name})`}
          </button>
        </li>
      )}
    </ul>
  );
}

function Entry({
  entry,
  widget,
  onDone,
}: {
  entry: MenuEntry;
  widget: ChatKitWidgetState;
  onDone: () => void;
}) {
  if ('href' in entry) {
    return (
      <a
        className="entry"
        href={entry.href}
        target={entry.target}
        rel={entry.target && 'noopener'}
        onClick={onDone}
      >
        <Icon name="link" />
        {entry.label}
      </a>
    );
  }
  const act = () => {
    onDone();
    if ('message' in entry) widget.ask(entry.message);
    else entry.run(widget);
  };
  return (
    <button type="button" className="entry" onClick={act}>
      <Icon name={'message' in entry ? 'message' : 'spark'} />
      {entry.label}
    </button>
  );
}

/** What users say of themselves: kept in this browser, told with their questions. */
export function ProfileForm({
  widget,
  fields,
  onDone,
}: {
  widget: ChatKitWidgetState;
  fields: readonly ProfileField[];
  onDone: () => void;
}) {
  const [values, setValues] = useState(() => widget.remembered().profile);
  const { labels } = widget;
  const save = (event: FormEvent) => {
    event.preventDefault();
    widget.remember({ profile: values });
    onDone();
  };
  return (
    <form onSubmit={save} part="profile">
      <p>{labels.profileHint}</p>
      {fields.map((field) => (
        <Field
          key={field.name}
          field={field}
          value={values[field.name] ?? ''}
          onChange={(value) => setValues((all) => ({ ...all, [field.name]: value }))}
        />
      ))}
      <button type="submit" className="button">
        {labels.save}
      </button>
    </form>
  );
}

function Field({
  field,
  value,
  onChange,
}: {
  field: ProfileField;
  value: string;
  onChange: (value: string) => void;
}) {
  const id = useId();
  const { type = 'text', label, placeholder, maxLength = 500 } = field;
  const common = {
    id,
    value,
    onChange: (event: { currentTarget: { value: string } }) => onChange(event.currentTarget.value),
  };
  return (
    <label htmlFor={id}>
      {label}
      {type === 'select' ? (
        <select {...common}>
          <option value="" />
          {(field.options ?? []).map((option) => {
            const choice = typeof option === 'string' ? { value: option, label: option } : option;
            return (
              <option key={choice.value} value={choice.value}>
                {choice.label}
              </option>
            );
          })}
        </select>
      ) : type === 'textarea' ? (
        <textarea {...common} placeholder={placeholder} maxLength={maxLength} />
      ) : (
        <input {...common} type={type} placeholder={placeholder} maxLength={maxLength} />
      )}
    </label>
  );
}
